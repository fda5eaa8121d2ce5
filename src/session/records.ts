/**
 * This file keeps sessions in the store: sealed, each bound to its name, for as long as the session may live.
 */
import type { RecordSealer } from '../store/sealed.ts'
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
  /** Writes over a record that exists. @returns false when it is gone: a session that was ended stays so */
  update (key: string, session: Session): Promise<boolean>
  /** Makes room for a session that is about to begin: an empty record, which is no session. */
  prepare (key: string): Promise<void>
  /** Ends a session on all replicas: the record first, then every copy. @returns false when somebody else has ended it */
  end (key: string): Promise<boolean>
}

export interface SessionRecordsOptions {
  readonly store: Store
  readonly sealer: RecordSealer
  readonly now: () => number
  /** The claims of the newest verified ID token of an account, if there are any. */
  readonly newestClaims: (account: Account) => Promise<Claims | undefined>
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

  /** Kept apart from sessions: a touch that writes an older copy of a session back cannot bring old roles back with it. */
  async function followed (session: Session | undefined): Promise<Session | undefined> {
    const newest = session && await newestClaims(session.account)
    return session && newest ? followUser(session, newest) : session
  }

  return {
    async read (key) {
      const record = await store.get(key)
      if (record === undefined) return undefined
      const text = sealer.open('session-record', key, record)
      if (text !== undefined) return await followed(sessionOf(text))
      if (!sealer.isForeign(record)) drop(key)
      return undefined
    },
    update: async (key, session) =>
      await store.update(key, sealer.seal('session-record', key, JSON.stringify(session)), remainingMs(session, now())),
    prepare: async key => { await store.set(key, sealer.seal('session-record', key, '{}'), preparedMs) },
    async end (key) {
      const isFirst = await store.delete(key)
      // Also when it was gone: whoever took it away may have ended before he could tell.
      await store.publish(endedTopic, key).catch(onUntold)
      return isFirst
    }
  }
}

/** The session in the text of a record, or undefined when it is none or does not parse. */
export function sessionOf (text: string): Session | undefined {
  try {
    return parseSession(JSON.parse(text))
  } catch {
    return undefined
  }
}
