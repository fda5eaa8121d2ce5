/**
 * This file reads sessions on the hot path: raw cookie value -> this process's copy -> store. It never writes a session;
 * its touch is an update of a record that must still exist, so it cannot bring a signed-out session back.
 */
import { createCommonTexts } from './common-texts.ts'
import { findCookie } from './cookie.ts'
import { createCopies } from './copies.ts'
import type { SessionIds } from './ids.ts'
import { dueAt, followUser } from './newer-claims.ts'
import type { Reading, SessionRecords } from './records.ts'
import {
  type Account, type Claims, type Session, type SessionLimits, hasEnded, hasOutlivedItself, isDueForTouch, touchedSession
} from './session.ts'

/** A session as this process knows it. Also what the identity provider hands tokens to. */
export interface LiveSession extends Reading {
  /** Among those who can hold tokens. */
  readonly kind: 'session'
  /** The record's key: not secret, unique per sign-in. */
  readonly key: string
  readonly account: Account
  readonly absoluteEndsAt: number
  session: Session
  stamp: number
  /** When the store was asked last for this copy, in epoch milliseconds. */
  readAt: number
  /** From when on its use has newer claims looked for, in epoch milliseconds. */
  claimsDueAt: number
  /** What the log calls the user, once a line has needed it. */
  nameInLog?: string | undefined
}

/** From now on this copy of a session goes by newer claims of its user. */
export function takeClaims (live: LiveSession, newest: Claims): void {
  live.session = followUser(live.session, newest)
  live.claimsDueAt = dueAt(live.session.claims)
}

export interface SessionReader {
  /**
   * The session of a Cookie header. Answers at once when this process has a fresh copy; otherwise asks the store.
   * @throws SG_STORE_UNAVAILABLE the store does not answer; nobody then knows whether there is a session
   */
  find (cookieHeader: string | undefined): LiveSession | undefined | Promise<LiveSession | undefined>
  /** Whether a Cookie header has a session cookie, live or not. */
  hasCookie (cookieHeader: string | undefined): boolean
  /**
   * Moves the idle end, at most once a minute by each clock, and has claims renewed that are due. In the background: a
   * request never waits for it.
   */
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
  /** A session is in use whose claims should be renewed; told again after five minutes while they are not. */
  readonly onClaimsDue: (live: LiveSession) => void
  /** How much memory copies may take; default an eighth of the heap. */
  readonly maxCopyBytes?: number | undefined
}

/** A copy is believed this long; the bound on how late another replica may learn of a sign-out. */
const maxCopyAgeMs = 30_000
const claimsRetryMs = 300_000

export function createSessionReader (options: SessionReaderOptions): SessionReader {
  const { records, ids, cookieName, limits, now, onTouchFailed, onClaimsDue } = options
  const copies = createCopies(options.maxCopyBytes)
  const withCommonTexts = createCommonTexts()
  let forgotten = 0

  function find (cookieHeader: string | undefined): LiveSession | undefined | Promise<LiveSession | undefined> {
    const cookie = findCookie(cookieHeader, cookieName)
    if (cookie.kind !== 'value') return undefined
    const copy = copies.get(cookie.value)
    if (copy === undefined) return readFirst(cookie.value)
    const at = now()
    // A clock that was set back makes the age negative: such a copy is not believed either.
    const age = at - copy.readAt
    if (age < 0 || age > maxCopyAgeMs) return read(cookie.value, copy.key)
    // Whether it is over is for the store to say: this clock may have been set wrong.
    return hasEnded(copy.session, at) ? read(cookie.value, copy.key) : copy
  }

  function readFirst (value: string): undefined | Promise<LiveSession | undefined> {
    const id = ids.unsign(value)
    return id === undefined ? undefined : read(value, ids.recordKey(id))
  }

  async function read (value: string, key: string): Promise<LiveSession | undefined> {
    for (;;) {
      const before = forgotten
      const copy = copies.get(value)
      const found = await records.readAgain(key, copy)
      // A sign-out while we were reading: what we hold may be older than it. Read again.
      if (before !== forgotten) continue
      if (found === undefined || hasOutlivedItself(found.session, now())) {
        copies.drop(key)
        return undefined
      }
      if (found === copy) return renewed(copy)
      return keep(value, key, found, copy?.claimsDueAt)
    }
  }

  function renewed (copy: LiveSession): LiveSession {
    copy.readAt = now()
    copies.use(copy)
    return copy
  }

  /** @param dueBefore - a renewal of claims that was begun, or has failed, is not begun anew because the copy is */
  function keep (value: string, key: string, { session: stored, stamp, claimsStamp }: Reading, dueBefore = 0): LiveSession {
    const session = withCommonTexts(stored)
    const { account, absoluteEndsAt, claims } = session
    const live: LiveSession = {
      kind: 'session',
      key,
      account,
      absoluteEndsAt,
      session,
      stamp,
      claimsStamp,
      readAt: now(),
      claimsDueAt: Math.max(dueAt(claims), dueBefore),
      nameInLog: undefined
    }
    copies.keep(value, live)
    return live
  }

  function touch (live: LiveSession): void {
    const at = now()
    if (at >= live.claimsDueAt) {
      live.claimsDueAt = at + claimsRetryMs
      onClaimsDue(live)
    }
    if (!isDueForTouch(live.session, at, limits)) return
    const touched = touchedSession(live.session, at, limits)
    live.session = touched
    records.update(live.key, touched).then(
      stamp => { if (stamp === undefined) copies.drop(live.key); else live.stamp = stamp },
      onTouchFailed
    )
  }

  return {
    find,
    hasCookie: cookieHeader => findCookie(cookieHeader, cookieName).kind !== 'none',
    touch,
    forget (key) {
      forgotten++
      copies.drop(key)
    },
    forgetAll () {
      forgotten++
      copies.clear()
    }
  }
}
