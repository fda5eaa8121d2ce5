/**
 * This file says what a session is, and its pure rules. Tokens are never fields of a session.
 */

/** Who somebody is: tenant and object id, never e-mail or user name. */
export interface User {
  /** Tenant id, a GUID. */
  readonly tid: string
  /** Object id of the user in that tenant. */
  readonly oid: string
}

/** The user at the provider. */
export interface Account extends User {
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
  /** The claims request (JSON text) that its sign-in was made with, if there was one. */
  readonly askedClaims?: string | undefined
  readonly createdAt: number
  /** Moves with use, at most once a minute by each clock; never beyond `absoluteEndsAt`. */
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
/** How far apart the clocks of replicas may be. */
const clockAllowanceMs = 3_600_000

export function startSession (account: Account, claims: Claims, now: number, limits: SessionLimits): Session {
  const absoluteEndsAt = now + limits.absoluteMs
  return { account, claims, createdAt: now, idleEndsAt: Math.min(now + limits.idleMs, absoluteEndsAt), absoluteEndsAt }
}

/** Whether a session is over by this process's clock. */
export function hasEnded (session: Session, now: number): boolean {
  return now >= session.idleEndsAt || now >= session.absoluteEndsAt
}

/**
 * Whether a session is over although the store still has its record. The record's lifetime is the idle time, counted by the
 * store alone; the stored idle end was set by a clock that may differ from this one by minutes, or by an hour when one was
 * set wrong, and ends only what a store has kept for too long.
 */
export function hasOutlivedItself (session: Session, now: number): boolean {
  return hasEnded({ ...session, idleEndsAt: session.idleEndsAt + clockAllowanceMs }, now)
}

/**
 * Whether use should move the idle end: not more than once a minute, so that a busy session does not write all the time. An
 * end that is too late was set by a clock ahead of ours, and is moved too: the lifetime of the record counts from the last
 * touch, whatever the end in it says.
 */
export function isDueForTouch (session: Session, now: number, limits: SessionLimits): boolean {
  const movesMs = Math.abs(idleEndAt(session, now, limits) - session.idleEndsAt)
  return movesMs >= Math.min(touchIntervalMs, limits.idleMs / 10)
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
  const { account, claims, askedClaims, createdAt, idleEndsAt, absoluteEndsAt } = value
  if (!isAccount(account) || !isObject(claims) || !isOptionalText(askedClaims)) return undefined
  if (!isInstant(createdAt) || !isInstant(idleEndsAt) || !isInstant(absoluteEndsAt)) return undefined
  return { account, claims, ...(askedClaims === undefined ? {} : { askedClaims }), createdAt, idleEndsAt, absoluteEndsAt }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isAccount (value: unknown): value is Account {
  return isObject(value) && ['tid', 'oid', 'homeAccountId', 'environment'].every(name => typeof value[name] === 'string') &&
    isOptionalText(value.keyId)
}

function isOptionalText (value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}

function isInstant (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
