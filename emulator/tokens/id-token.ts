/** This file issues v2 ID tokens. */
import { createHash } from 'node:crypto'
import type { App, User } from '../directory/directory.ts'
import type { Authentication } from '../state.ts'
import { issuerV2, type World } from '../world.ts'
import { directoryRoleClaims, groupClaims, opaqueClaims, opaqueHint, pairwiseSubject, roleClaims, timeClaims } from './claims.ts'
import { forgeToken, type Forgery } from './forge.ts'
import { recordIssued } from './issued.ts'
import { signToken, type Claims } from './sign.ts'

export interface IdTokenRequest {
  readonly client: App
  readonly user: User
  readonly authentication: Authentication
  readonly nonce: string | null
  /** Contexts for `acrs`; the claim is left out when empty. */
  readonly contexts: readonly string[]
  /** Lower-case OIDC scopes granted: `profile` and `email` decide about claims. */
  readonly oidc: readonly string[]
  /** For tokens issued by /authorize: what `c_hash` and `at_hash` bind. */
  readonly code?: string
  readonly accessToken?: string
  /** From a fault: the token is forged out of the genuine claims. */
  readonly forgery?: Forgery | undefined
}

export async function issueIdToken (request: IdTokenRequest, world: World): Promise<string> {
  const claims = idTokenClaims(request, world)
  recordIssued({ kind: 'id', claims, clientId: request.client.clientId, authentication: request.authentication }, world)
  const { forgery } = request
  return forgery === undefined ? await signToken(claims, world.keys.current()) : await forgeToken(claims, forgery, world)
}

function idTokenClaims (request: IdTokenRequest, world: World): Claims {
  const { client, user, nonce, code, accessToken } = request
  const { aio, rh, uti } = opaqueClaims()
  return {
    aud: client.clientId,
    iss: issuerV2(world, user.tenantId),
    ...timeClaims(world, world.lifetimes.idToken),
    aio,
    ...(code === undefined ? {} : { c_hash: leftHalfHash(code) }),
    ...(accessToken === undefined ? {} : { at_hash: leftHalfHash(accessToken) }),
    ...groupClaims(client, user),
    ...directoryRoleClaims(client, user),
    ...(user.home.tid === user.tenantId ? {} : { idp: issuerOfHome(user, world) }),
    name: user.name,
    ...(nonce === null ? {} : { nonce }),
    oid: user.oid,
    preferred_username: user.upn,
    rh,
    ...roleClaims(client, user),
    sub: pairwiseSubject(client.clientId, user.oid),
    tid: user.tenantId,
    uti,
    ver: '2.0',
    ...optionalClaims(request)
  }
}

const issuerOfHome = (user: User, world: World) => issuerV2(world, user.home.tid)

/** OpenID Connect Core 3.3.2.11: base64url of the left half of the hash. */
function leftHalfHash (value: string): string {
  return createHash('sha256').update(value, 'ascii').digest().subarray(0, 16).toString('base64url')
}

/** Claims that only apps which opted in get; `email` also comes with the scope of that name. */
function optionalClaims ({ client, user, authentication, contexts, oidc }: IdTokenRequest): Claims {
  const [givenName = user.name, ...rest] = user.name.split(' ')
  const values: Record<string, unknown> = {
    sid: authentication.sid,
    login_hint: opaqueHint(user),
    email: user.mail ?? undefined,
    upn: user.upn,
    acct: user.home.tid === user.tenantId ? 0 : 1,
    auth_time: Math.floor(authentication.authAt / 1000),
    given_name: givenName,
    family_name: rest.join(' ') || undefined
  }
  const wanted = oidc.includes('email') ? [...client.optionalClaims.idToken, 'email'] : client.optionalClaims.idToken
  const chosen = wanted.filter((name) => values[name] !== undefined).map((name) => [name, values[name]])
  return { ...Object.fromEntries(chosen), ...(contexts.length > 0 ? { acrs: contexts } : {}) }
}
