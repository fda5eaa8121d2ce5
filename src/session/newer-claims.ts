/**
 * This file lets a session follow its user: a newer ID token says which roles and groups the user has now, while how and
 * when the user signed in stays what the session's own ID token said. Pure.
 */
import type { Claims, Session } from './session.ts'

/**
 * About one sign-in, so never another token's to say: step-up is judged by `acrs`, sign-out finds sessions by `sid`, and
 * where and on what device one browser signed in (the second row) is not where another one is.
 */
const ofSignIn: ReadonlySet<string> = new Set([
  'acr', 'acrs', 'aio', 'amr', 'at_hash', 'auth_time', 'c_hash', 'login_hint', 'nonce', 'rh', 'sid', 'signin_state', 'uti',
  'deviceid', 'fwd', 'in_corp', 'ipaddr', 'platf', 'vnet', 'ztdid'
])
/** A renewal does not ask for the scope `email`, and a token without these does not say that the user has none. */
const ofName: ReadonlySet<string> = new Set(['email', 'family_name', 'given_name', 'name', 'preferred_username', 'upn'])

/** Entra dates tokens five minutes back: a session that is in use looks for newer claims after fifty minutes. */
const dueMs = 55 * 60_000
/** Rules do not decide by claims that were issued an hour and a half ago: the longest life of an ordinary token. */
const staleMs = 95 * 60_000

/**
 * @param own - the claims of a session
 * @param newest - of another verified ID token of the same user
 * @returns `own` when those are the newer ones. What the newer token left out is gone, names aside
 */
export function followClaims (own: Claims, newest: Claims): Claims {
  if (!(issuedAt(newest) > issuedAt(own))) return own
  const kept = Object.entries(own).filter(([name]) => ofSignIn.has(name) || (ofName.has(name) && !Object.hasOwn(newest, name)))
  const followed = Object.entries(newest).filter(([name]) => !ofSignIn.has(name))
  return Object.fromEntries([...followed, ...kept])
}

/** A session whose user is as the newest claims say. */
export function followUser (session: Session, newest: Claims): Session {
  return { ...session, claims: followClaims(session.claims, newest) }
}

/** When claims were issued, in epoch seconds by the provider's clock: which of two are the newer ones. */
export function issuedAt ({ iat }: Claims): number {
  return typeof iat === 'number' ? iat : 0
}

/** From when on newer claims should be looked for, behind the user's requests. Epoch milliseconds. */
export function dueAt (claims: Claims): number {
  return issuedAt(claims) * 1000 + dueMs
}

/** Whether claims are too old to decide by. */
export function areStale (claims: Claims, now: number): boolean {
  return now >= issuedAt(claims) * 1000 + staleMs
}
