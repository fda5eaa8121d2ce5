/**
 * This file reads sessions on the hot path: raw cookie value -> this process's copy -> store. It never writes a session;
 * its touch is an update of a record that must still exist, so it cannot bring a signed-out session back.
 */
import { findCookie } from './cookie.ts'
import type { SessionIds } from './ids.ts'
import type { SessionRecords } from './records.ts'
import { type Account, type Session, type SessionLimits, hasEnded, isDueForTouch, touchedSession } from './session.ts'

/** A session as this process knows it. Also what the identity provider hands tokens to. */
export interface LiveSession {
  /** The record's key: not secret, unique per sign-in. */
  readonly key: string
  readonly account: Account
  readonly absoluteEndsAt: number
  session: Session
  /** When this copy was read, in epoch milliseconds. */
  readonly readAt: number
}

export interface SessionReader {
  /**
   * The session of a Cookie header. Answers at once when this process has a fresh copy; otherwise asks the store.
   * @throws SG_STORE_UNAVAILABLE the store does not answer; nobody then knows whether there is a session
   */
  find (cookieHeader: string | undefined): LiveSession | undefined | Promise<LiveSession | undefined>
  /** Moves the idle end, at most once a minute. In the background: a request never waits for it. */
  touch (live: LiveSession): void
  /** Drops this process's copy; also a reading that is under way will not be kept. */
  forget (key: string): void
  /** Drops all copies: what other replicas ended meanwhile may not have been heard of. */
  forgetAll (): void
}

export interface SessionReaderOptions {
  readonly records: SessionRecords
  readonly ids: SessionIds
  readonly cookieName: string
  readonly limits: SessionLimits
  readonly now: () => number
  readonly onTouchFailed: (error: unknown) => void
}

/** A copy is believed this long; the bound on how late another replica may learn of a sign-out. */
const maxCopyAgeMs = 30_000
const maxCopies = 10_000

export function createSessionReader (options: SessionReaderOptions): SessionReader {
  const { records, ids, cookieName, limits, now, onTouchFailed } = options
  const copies = new Map<string, LiveSession>()
  const values = new Map<string, string>()
  let forgotten = 0

  function find (cookieHeader: string | undefined): LiveSession | undefined | Promise<LiveSession | undefined> {
    const cookie = findCookie(cookieHeader, cookieName)
    if (cookie.kind !== 'value') return undefined
    const copy = copies.get(cookie.value)
    if (copy === undefined) return read(cookie.value)
    const at = now()
    // A clock that was set back makes the age negative: such a copy is not believed either.
    const age = at - copy.readAt
    if (age < 0 || age > maxCopyAgeMs) return read(cookie.value)
    return hasEnded(copy.session, at) ? undefined : copy
  }

  async function read (value: string): Promise<LiveSession | undefined> {
    const id = ids.unsign(value)
    if (id === undefined) return undefined
    const key = ids.recordKey(id)
    for (;;) {
      const before = forgotten
      const session = await records.read(key)
      // A sign-out while we were reading: what we hold may be older than it. Read again.
      if (before !== forgotten) continue
      if (session === undefined || hasEnded(session, now())) return drop(key)
      return keep(value, { key, account: session.account, absoluteEndsAt: session.absoluteEndsAt, session, readAt: now() })
    }
  }

  function keep (value: string, live: LiveSession): LiveSession {
    copies.delete(value)
    if (copies.size >= maxCopies) {
      const [oldest] = copies.values()
      if (oldest !== undefined) drop(oldest.key)
    }
    copies.set(value, live)
    values.set(live.key, value)
    return live
  }

  function drop (key: string): undefined {
    const value = values.get(key)
    if (value !== undefined) copies.delete(value)
    values.delete(key)
  }

  function touch (live: LiveSession): void {
    const at = now()
    if (!isDueForTouch(live.session, at, limits)) return
    const touched = touchedSession(live.session, at, limits)
    live.session = touched
    records.update(live.key, touched).then(
      existed => { if (!existed) drop(live.key) },
      onTouchFailed
    )
  }

  return {
    find,
    touch,
    forget (key) {
      forgotten++
      drop(key)
    },
    forgetAll () {
      forgotten++
      copies.clear()
      values.clear()
    }
  }
}
