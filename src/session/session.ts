/**
 * This file says what a session is, and its pure rules. Tokens are never fields of a session.
 */

/** The user at the provider: keyed by tenant and object id, never by e-mail or user name. */
export interface Account {
  /** Tenant id, a GUID. */
  readonly tid: string
  /** Object id of the user in that tenant. */
  readonly oid: string
  /** What the provider's library needs back to find the account in its cache. */
  readonly homeAccountId: string
  readonly environment: string
  /**
   * The key of the ring under which the account's records are named since this sign-in: a rotation of the ring does not
   * rename them. Absent: the sealing key.
   */
  readonly keyId?: string | undefined
}

/** The claims of the verified ID token that rules, headers and pages need. */
export type Claims = Readonly<Record<string, unknown>>

/** A signed-in user, as stored. All instants are epoch milliseconds. */
export interface Session {
  readonly account: Account
  readonly claims: Claims
  readonly createdAt: number
  /** Moves with use, at most once a minute; never beyond `absoluteEndsAt`. */
  readonly idleEndsAt: number
  /** Fixed at sign-in: no use, refresh or touch moves it. */
  readonly absoluteEndsAt: number
}

/** How long sessions live, in milliseconds. */
export interface SessionLimits {
  readonly idleMs: number
  readonly absoluteMs: number
}

/** A touch is written at most this often per session. */
const touchIntervalMs = 60_000

export function startSession (account: Account, claims: Claims, now: number, limits: SessionLimits): Session {
  const absoluteEndsAt = now + limits.absoluteMs
  return { account, claims, createdAt: now, idleEndsAt: Math.min(now + limits.idleMs, absoluteEndsAt), absoluteEndsAt }
}

export function hasEnded (session: Session, now: number): boolean {
  return now >= session.idleEndsAt || now >= session.absoluteEndsAt
}

/** Whether use should move the idle end: not more than once a minute, so that a busy session does not write all the time. */
export function isDueForTouch (session: Session, now: number, limits: SessionLimits): boolean {
  return idleEndAt(session, now, limits) - session.idleEndsAt >= Math.min(touchIntervalMs, limits.idleMs / 10)
}

/** The session with its idle end moved to `now` plus the idle time. */
export function touchedSession (session: Session, now: number, limits: SessionLimits): Session {
  return { ...session, idleEndsAt: idleEndAt(session, now, limits) }
}

function idleEndAt (session: Session, now: number, limits: SessionLimits): number {
  return Math.min(now + limits.idleMs, session.absoluteEndsAt)
}

/** Milliseconds that a record of this session may still live in the store. */
export function remainingMs (session: Session, now: number): number {
  return Math.max(0, Math.min(session.idleEndsAt, session.absoluteEndsAt) - now)
}

/**
 * Reads a session back from a stored record, or undefined when the record is not one.
 * The store is not trusted to hold what was written to it.
 */
export function parseSession (value: unknown): Session | undefined {
  if (!isObject(value)) return undefined
  const { account, claims, createdAt, idleEndsAt, absoluteEndsAt } = value
  if (!isAccount(account) || !isObject(claims)) return undefined
  if (!isInstant(createdAt) || !isInstant(idleEndsAt) || !isInstant(absoluteEndsAt)) return undefined
  return { account, claims, createdAt, idleEndsAt, absoluteEndsAt }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isAccount (value: unknown): value is Account {
  return isObject(value) && ['tid', 'oid', 'homeAccountId', 'environment'].every(name => typeof value[name] === 'string') &&
    ['string', 'undefined'].includes(typeof value.keyId)
}

function isInstant (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
