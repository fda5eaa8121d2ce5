/** This file holds the claims that ID tokens and access tokens share. */
import { createHash, randomBytes } from 'node:crypto'
import type { App, User } from '../directory/directory.ts'
import { createHandle } from '../state.ts'
import type { World } from '../world.ts'
import type { Claims } from './sign.ts'

/** More groups than this do not go into a JWT. */
const MAX_GROUPS = 200

/** Pairwise subject: one per app and user, 43 characters, no way back to the oid. */
export function pairwiseSubject (clientId: string, oid: string): string {
  return createHash('sha256').update(`${clientId.toLowerCase()}\n${oid}`).digest('base64url')
}

/** `iat` and `nbf` lie before the moment of issue, as Entra's do: verifiers with a wrong clock show themselves. */
export function timeClaims (world: World, lifeSeconds: number): { iat: number, nbf: number, exp: number } {
  const now = world.clock.seconds()
  const issuedAt = now - world.quirks.iatSkew
  return { iat: issuedAt, nbf: issuedAt, exp: now + lifeSeconds }
}

/** Opaque claims that every token has; their content means nothing to anybody outside Entra. */
export function opaqueClaims (): { aio: string, rh: string, uti: string } {
  return { aio: createHandle(100), rh: `1.${createHandle(42)}.`, uti: randomBytes(16).toString('base64url') }
}

/** App role values of the user for this app, or nothing at all: Entra leaves the claim out when empty. */
export function roleClaims (app: App, user: User): Claims {
  const roles = user.roles[app.clientId] ?? []
  return roles.length > 0 ? { roles } : {}
}

/** `groups`, or past 200 of them the overage claims, whose endpoint is retired on the live service too. */
export function groupClaims (app: App, user: User): Claims {
  const mode = app.groupMembershipClaims
  if (mode === 'None' || mode === 'DirectoryRole' || user.groups.length === 0) return {}
  if (user.groups.length <= MAX_GROUPS) return { groups: user.groups }
  const endpoint = `https://graph.windows.net/${user.tenantId}/users/${user.oid}/getMemberObjects`
  return { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint } } }
}

/** Template id of the Global Administrator role. */
const GLOBAL_ADMINISTRATOR = '62e90394-69f5-4237-9190-012177145e10'

export function directoryRoleClaims (app: App, user: User): Claims {
  const isAsked = app.groupMembershipClaims === 'DirectoryRole' || app.groupMembershipClaims === 'All'
  return isAsked && user.globalAdmin ? { wids: [GLOBAL_ADMINISTRATOR] } : {}
}

/** The opaque value of the `login_hint` claim, good for `login_hint` and `logout_hint`. */
export function opaqueHint (user: User): string {
  return `O.${Buffer.from(`${user.home.tid}\n${user.home.oid}`).toString('base64url')}`
}

/** @returns tenant and oid of the home account, or undefined when the hint is not one of ours */
export function readOpaqueHint (hint: string): { tid: string, oid: string } | undefined {
  if (!hint.startsWith('O.')) return undefined
  const [tid, oid] = Buffer.from(hint.slice(2), 'base64url').toString('utf8').split('\n')
  return tid !== undefined && oid !== undefined ? { tid, oid } : undefined
}

/** `client_info`: base64url JSON with the *home* account, which MSAL makes its account id of. */
export function clientInfo (user: User): string {
  return Buffer.from(JSON.stringify({ uid: user.home.oid, utid: user.home.tid })).toString('base64url')
}
