/** This file issues access tokens: v1 or v2 as the resource wants, for a user or for an app. */
import { randomInt } from 'node:crypto'
import type { App, User } from '../directory/directory.ts'
import { GRAPH_ID } from '../directory/graph-app.ts'
import type { Authentication } from '../state.ts'
import { issuerV1, issuerV2, type World } from '../world.ts'
import { directoryRoleClaims, groupClaims, opaqueClaims, pairwiseSubject, roleClaims, timeClaims } from './claims.ts'
import { recordIssued } from './issued.ts'
import { signGraphToken, signToken, signTokenV1, type Claims } from './sign.ts'

/** How the client proved itself: "0" public, "1" secret, "2" certificate or assertion. */
export type ClientStrength = '0' | '1' | '2'

interface TokenTarget {
  readonly client: App
  readonly clientStrength: ClientStrength
  readonly resource: App
  /** The resource as requested, which is the `aud` of a v1 token. */
  readonly resourceName: string
  readonly tenantId: string
}

export interface UserTokenRequest extends TokenTarget {
  readonly user: User
  readonly authentication: Authentication
  /** Scope values without prefix. */
  readonly scopes: readonly string[]
  /** For `acrs`; left out when empty. */
  readonly contexts: readonly string[]
  /** Client and resource both handle claims challenges: a token of 20 to 28 hours. */
  readonly isLongLived: boolean
}

export interface AppTokenRequest extends TokenTarget {
  readonly roles: readonly string[]
}

export interface AccessToken {
  readonly token: string
  readonly expiresIn: number
}

export async function issueUserToken (request: UserTokenRequest, world: World): Promise<AccessToken> {
  const life = pick(request.isLongLived ? world.lifetimes.cae : world.lifetimes.accessToken)
  const common = { ...timeClaims(world, life), ...opaqueClaims(), ...userClaims(request), ...challengeClaims(request) }
  const claims = request.resource.accessTokenVersion === 2
    ? { aud: request.resource.clientId, iss: issuerV2(world, request.tenantId), ...common, ...clientClaimsV2(request), preferred_username: request.user.upn, ver: '2.0' }
    : { aud: request.resourceName, iss: issuerV1(world, request.tenantId), ...common, ...clientClaimsV1(request), ...userClaimsV1(request), ver: '1.0' }
  return { token: await sign(claims, request, request.authentication, world), expiresIn: life }
}

export async function issueAppToken (request: AppTokenRequest, world: World): Promise<AccessToken> {
  const life = pick(world.lifetimes.accessToken)
  const servicePrincipal = servicePrincipalOf(request.client, request.tenantId)
  const subject = { oid: servicePrincipal, sub: servicePrincipal, tid: request.tenantId }
  const roles = request.roles.length > 0 ? { roles: request.roles } : {}
  const common = { ...timeClaims(world, life), ...opaqueClaims(), ...subject, ...roles }
  const isOptedIn = request.resource.optionalClaims.accessToken.includes('idtyp')
  const claims = request.resource.accessTokenVersion === 2
    ? { aud: request.resource.clientId, iss: issuerV2(world, request.tenantId), ...common, ...clientClaimsV2(request), ...(isOptedIn ? { idtyp: 'app' } : {}), ver: '2.0' }
    : { aud: request.resourceName, iss: issuerV1(world, request.tenantId), ...common, ...clientClaimsV1(request), idtyp: 'app', ver: '1.0' }
  return { token: await sign(claims, request, null, world), expiresIn: life }
}

async function sign (claims: Claims, { client, resource }: TokenTarget, authentication: Authentication | null, world: World) {
  recordIssued({ kind: 'access', claims, clientId: client.clientId, authentication }, world)
  const key = world.keys.current()
  if (resource.clientId === GRAPH_ID) return await signGraphToken(claims, key)
  return await (resource.accessTokenVersion === 2 ? signToken(claims, key) : signTokenV1(claims, key))
}

/** Random within the range, ends included: a client that assumes one hour shows itself. */
function pick ([from, to]: readonly [number, number]): number {
  return randomInt(from, to + 1)
}

function userClaims ({ resource, user, authentication, scopes }: UserTokenRequest): Claims {
  return {
    ...groupClaims(resource, user),
    name: user.name,
    oid: user.oid,
    ...roleClaims(resource, user),
    scp: scopes.filter((value) => value !== 'offline_access').join(' '),
    sid: authentication.sid,
    sub: pairwiseSubject(resource.clientId, user.oid),
    tid: user.tenantId
  }
}

function challengeClaims ({ contexts, isLongLived }: UserTokenRequest): Claims {
  return { ...(contexts.length > 0 ? { acrs: contexts } : {}), ...(isLongLived ? { xms_cc: ['cp1'] } : {}) }
}

const clientClaimsV2 = ({ client, clientStrength }: TokenTarget) => ({ azp: client.clientId, azpacr: clientStrength })
const clientClaimsV1 = ({ client, clientStrength }: TokenTarget) => ({ appid: client.clientId, appidacr: clientStrength })

function userClaimsV1 ({ resource, user, authentication }: UserTokenRequest): Claims {
  const [givenName, ...rest] = user.name.split(' ')
  return {
    acr: '1',
    amr: authentication.amr,
    family_name: rest.join(' '),
    given_name: givenName,
    unique_name: user.upn,
    upn: user.upn,
    ...directoryRoleClaims(resource, user)
  }
}

/** Object id of a client's service principal: one per app and tenant. */
export function servicePrincipalOf (client: App, tenantId: string): string {
  const hex = Buffer.from(pairwiseSubject(client.clientId, tenantId), 'base64url').toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
