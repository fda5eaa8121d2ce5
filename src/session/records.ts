/**
 * This file keeps sessions in the store: sealed, each bound to its name, for as long as the session may live.
 */
import { notSeen, type RecordSealer, stampOf } from '../store/sealed.ts'
import type { Store } from '../store/store.ts'
import { followUser } from './newer-claims.ts'
import { type Account, type Claims, parseSession, remainingMs, type Session } from './session.ts'

/** All operations throw `SG_STORE_UNAVAILABLE`. */
export interface SessionRecords {
  /**
   * The session of that name, with what the newest ID token says of its user; undefined when there is none, or none that
   * opens and parses. A record that does not open is deleted, unless it may be another replica's; one that opens and is no
   * session as we know it stays.
   */
  read (key: string): Promise<Session | undefined>
  /**
   * The same, for a copy.
   *
   * @param known - a copy that was made before; while nothing has changed it is the answer, without crypto and JSON
   */
  readAgain (key: string, known: Reading | undefined): Promise<Reading | undefined>
  /**
   * Writes over a record that exists. @returns its stamp, or undefined when it is gone: a session that was ended stays so
   */
  update (key: string, session: Session): Promise<number | undefined>
  /** Makes room for a session that is about to begin: an empty record, which is no session. */
  prepare (key: string): Promise<void>
  /** Ends a session on all replicas: the record first, then every copy. @returns false when somebody else has ended it */
  end (key: string): Promise<boolean>
}

/** A session, and the stamps of the records that it was made of: its own, and that of its user's claims. */
export interface Reading {
  readonly session: Session
  readonly stamp: number
  readonly claimsStamp: number
}

export interface SessionRecordsOptions {
  readonly store: Store
  readonly sealer: RecordSealer
  readonly now: () => number
  /** The claims of the newest verified ID token of an account, if there are any, unless they are those that were seen. */
  readonly newestClaims: (account: Account, seen: number) => Promise<'as before' | { readonly stamp: number, readonly claims: Claims | undefined }>
  /** Told when the other replicas could not be told; they learn of the end when their copy is too old. */
  readonly onUntold: (error: unknown) => void
  /** Told of a record that was damaged, or that somebody moved or made; it has been deleted. */
  readonly onBroken: () => void
}

/** What replicas tell each other: the key of a session that ended. */
export const endedTopic = 'session-ended'

/** A prepared record that is not filled lives no longer than this. */
const preparedMs = 60_000

export function createSessionRecords (options: SessionRecordsOptions): SessionRecords {
  const { store, sealer, now, newestClaims, onUntold, onBroken } = options

  /**
   * A touch by a replica with a good copy may have mended the record in between, and is deleted with it: the user signs in
   * again, as without the touch. Nobody gains by it: to break a record one has to be able to delete it. No session can begin
   * under this name again. Not waited for: there is no session, whether the store takes the deletion or not.
   */
  function drop (key: string): void {
    onBroken()
    store.delete(key).catch(() => {})
  }

  function open (key: string, record: string): Session | undefined {
    const text = sealer.open('session-record', key, record)
    if (text !== undefined) return sessionOf(text)
    if (!sealer.isForeign(record)) drop(key)
    return undefined
  }

  async function readFirst (key: string): Promise<Reading | undefined> {
    const record = await store.get(key)
    const session = record === undefined ? undefined : open(key, record)
    if (session === undefined) return undefined
    const newest = await newestClaims(session.account, notSeen)
    return newest === 'as before' ? undefined : { session: followed(session, newest.claims), stamp: stampOf(record), claimsStamp: newest.stamp }
  }

  /** Both at once: it is known whose session it is. */
  async function compared (key: string, known: Reading): Promise<Reading | undefined> {
    const [record, newest] = await Promise.all([store.get(key), newestClaims(known.session.account, known.claimsStamp)])
    if (record === undefined) return undefined
    const stamp = stampOf(record)
    const isAsBefore = stamp === known.stamp
    if (isAsBefore && newest === 'as before') return known
    const own = isAsBefore ? known.session : open(key, record)
    const { claims, stamp: claimsStamp } = newest === 'as before' ? { claims: known.session.claims, stamp: known.claimsStamp } : newest
    return own && { session: followed(own, claims), stamp, claimsStamp }
  }

  return {
    read: async key => (await readFirst(key))?.session,
    readAgain: async (key, known) => known === undefined ? await readFirst(key) : await compared(key, known),
    async update (key, session) {
      const sealed = sealer.seal('session-record', key, JSON.stringify(session))
      return await store.update(key, sealed, remainingMs(session, now())) ? stampOf(sealed) : undefined
    },
    prepare: async key => { await store.set(key, sealer.seal('session-record', key, '{}'), preparedMs) },
    async end (key) {
      const isFirst = await store.delete(key)
      // Also when it was gone: whoever took it away may have ended before he could tell.
      await store.publish(endedTopic, key).catch(onUntold)
      return isFirst
    }
  }
}

/** Kept apart from sessions: a touch that writes an older copy of a session back cannot bring old roles back with it. */
function followed (session: Session, newest: Claims | undefined): Session {
  return newest === undefined ? session : followUser(session, newest)
}

/** The session in the text of a record, or undefined when it is none or does not parse. */
export function sessionOf (text: string): Session | undefined {
  try {
    return parseSession(JSON.parse(text))
  } catch {
    return undefined
  }
}
