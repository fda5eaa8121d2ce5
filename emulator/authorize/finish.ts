/** This file ends a sign-in: it issues the code (and tokens, for apps that enabled them) and sends them to the app. */
import type { FastifyReply } from 'fastify'
import { requireGranted } from '../consent.ts'
import { satisfiedContexts } from '../policies/evaluate.ts'
import { echoScopes, graphOnly } from '../scopes.ts'
import { issueUserToken } from '../tokens/access-token.ts'
import { clientInfo } from '../tokens/claims.ts'
import { issueIdToken } from '../tokens/id-token.ts'
import { createCode } from './code.ts'
import { replySuccess } from './reply.ts'
import { consentContextOf, scopesOf, userOf, type Visit } from './visit.ts'

export async function finish (visit: Visit): Promise<FastifyReply> {
  const { flow, world, http } = visit
  world.state.flows.delete(flow.id)
  if (flow.kind === 'admin-consent') return finishAdminConsent(visit)
  const { authorize } = visit
  rememberApp(visit)
  const code = authorize.responseTypes.includes('code') ? codeOf(visit) : undefined
  const token = authorize.responseTypes.includes('token') ? await createAccessToken(visit) : undefined
  const idToken = authorize.responseTypes.includes('id_token') ? await createIdToken(visit, code, token?.access_token) : undefined
  const withClientInfo = authorize.parameters.client_info === '1' ? { client_info: clientInfo(userOf(visit)) } : {}
  return replySuccess(http.reply, authorize, { code, ...token, id_token: idToken, ...withClientInfo })
}

function finishAdminConsent ({ authorize, http, flow }: Visit): FastifyReply {
  const target = new URL(authorize.redirectUri)
  const tenantId = flow.user!.tenantId
  target.search = new URLSearchParams({ admin_consent: 'True', tenant: tenantId, scope: authorize.scope, ...(authorize.state === undefined ? {} : { state: authorize.state }) }).toString()
  return http.reply.redirect(target.href, 302)
}

/** The apps of a session get its front-channel sign-out. */
function rememberApp ({ browser, flow, authorize }: Visit): void {
  const account = browser?.accounts.find(({ oid }) => oid === flow.user!.oid)
  if (account !== undefined && !account.apps.includes(authorize.client.clientId)) account.apps.push(authorize.client.clientId)
}

function codeOf ({ flow, authorize, world }: Visit): string {
  return createCode({
    ...flow.authentication!,
    clientId: authorize.client.clientId,
    // As sent: redemption has to repeat it byte by byte.
    redirectUri: authorize.redirectUri,
    scope: authorize.scope,
    nonce: authorize.nonce,
    challenge: authorize.challenge,
    claims: authorize.parameters.claims ?? null,
    platform: authorize.platform
  }, world)
}

/** Implicit flow: for the first resource asked for. */
async function createAccessToken (visit: Visit) {
  const { authorize, flow, world } = visit
  const context = consentContextOf(visit)
  const { resources, oidc } = scopesOf(visit)
  const part = resources[0] ?? graphOnly(context)
  const scopes = requireGranted(part, context)
  const { token, expiresIn } = await issueUserToken({
    client: authorize.client,
    clientStrength: '0',
    resource: part.resource,
    resourceName: part.scopes[0]?.prefix ?? part.resource.clientId,
    tenantId: context.tenant.id,
    user: context.user,
    authentication: flow.authentication!,
    scopes,
    contexts: satisfiedContextsOf(visit, authorize.claims.accessTokenContexts, false),
    isLongLived: false
  }, world)
  return { access_token: token, token_type: 'Bearer', expires_in: String(expiresIn), scope: echoScopes(part, oidc, scopes) }
}

async function createIdToken (visit: Visit, code: string | undefined, accessToken: string | undefined): Promise<string> {
  const { authorize, flow, world } = visit
  const { client, nonce, claims } = authorize
  return await issueIdToken({
    client,
    user: userOf(visit),
    authentication: flow.authentication!,
    nonce,
    contexts: satisfiedContextsOf(visit, claims.idTokenContexts, client.optionalClaims.idToken.includes('acrs')),
    oidc: scopesOf(visit).oidc,
    ...(code === undefined ? {} : { code }),
    ...(accessToken === undefined ? {} : { accessToken })
  }, world)
}

function satisfiedContextsOf (visit: Visit, requested: readonly string[], isOptedIn: boolean): string[] {
  const { tenant, user } = consentContextOf(visit)
  const authentication = visit.flow.authentication!
  return satisfiedContexts({ tenant, user, authentication, now: visit.world.clock.now() }, requested, isOptedIn)
}
