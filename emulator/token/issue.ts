/** This file writes the answer to a token request that passed every check. */
import { GRAPH_ID } from '../directory/graph-app.ts'
import { parseClaimsRequest } from '../policies/claims-request.ts'
import { echoScopes } from '../scopes.ts'
import { createHandle } from '../state.ts'
import { issueAppToken, issueUserToken } from '../tokens/access-token.ts'
import { clientInfo } from '../tokens/claims.ts'
import { issueIdToken } from '../tokens/id-token.ts'
import { GRANT_TYPES, tenantOf, type Subject, type TokenContext } from './context.ts'
import { HANDLE_PREFIX } from './fields.ts'

type TokenResponse = Record<string, unknown>

export async function issueTokens (context: TokenContext): Promise<TokenResponse> {
  return context.subject === null ? await issueForApp(context) : await issueForUser(context, context.subject)
}

/** Four members and no more: no refresh token, no scope. */
async function issueForApp (context: TokenContext): Promise<TokenResponse> {
  const { token, expiresIn } = await issueAppToken({ ...targetOf(context), roles: context.granted }, context.world)
  return { token_type: 'Bearer', expires_in: expiresIn, ext_expires_in: expiresIn, access_token: token }
}

async function issueForUser (context: TokenContext, subject: Subject): Promise<TokenResponse> {
  const { part, oidc, granted, world, parameters } = context
  const isLongLived = handlesChallenges(context)
  const scopes = part.resource.clientId === GRAPH_ID ? granted.filter((value) => value !== 'offline_access') : granted
  const { token, expiresIn } = await issueUserToken({
    ...targetOf(context),
    user: subject.user,
    authentication: subject.authentication,
    scopes,
    contexts: context.accessTokenContexts,
    isLongLived
  }, world)
  return {
    token_type: 'Bearer',
    scope: echoScopes(part, oidc, granted),
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    ...(isLongLived ? { refresh_in: Math.floor(expiresIn / 2) } : {}),
    access_token: token,
    ...(oidc.includes('offline_access') ? { refresh_token: createRefreshToken(context, subject) } : {}),
    ...(oidc.includes('openid') ? { id_token: await idTokenFor(context, subject) } : {}),
    ...(parameters.client_info === '1' ? { client_info: clientInfo(subject.user) } : {})
  }
}

function targetOf (context: TokenContext) {
  const { client, clientStrength, part } = context
  const resourceName = part.scopes[0]?.prefix ?? part.resource.clientId
  return { client, clientStrength, resource: part.resource, resourceName, tenantId: tenantOf(context).id }
}

/** Both sides have to opt in: the client by its claims request, the resource by its optional claims. */
function handlesChallenges ({ subject, parameters, part }: TokenContext): boolean {
  const isClientCapable = [subject?.claims, parameters.claims].some((claims) => parseClaimsRequest(claims).handlesChallenges)
  return isClientCapable && part.resource.optionalClaims.accessToken.includes('xms_cc')
}

/** A new token each time; the one it was made of goes on working. */
function createRefreshToken ({ client, parameters, world }: TokenContext, subject: Subject): string {
  const handle = HANDLE_PREFIX + createHandle(world.quirks.rtLength - HANDLE_PREFIX.length)
  const { tenantId, oid, sid, amr, authAt, mfaAt } = subject.authentication
  world.state.refreshTokens.set(handle, {
    tenantId,
    oid,
    sid,
    amr,
    authAt,
    mfaAt,
    clientId: client.clientId,
    scope: subject.scope || (parameters.scope ?? ''),
    issuedAt: world.clock.now(),
    revoked: false,
    platform: subject.platform,
    grantedAt: subject.grantedAt
  })
  return handle
}

function idTokenFor (context: TokenContext, { user, authentication, nonce }: Subject): Promise<string> {
  const { client, idTokenContexts, oidc, grantType, request, world } = context
  return issueIdToken({
    client,
    user,
    authentication,
    // MSAL refuses a nonce it did not ask for: only the code's own one is copied.
    nonce: grantType === GRANT_TYPES.code ? nonce : null,
    contexts: idTokenContexts,
    oidc,
    forgery: request.forgery
  }, world)
}
