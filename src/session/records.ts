/**
 * This file keeps sessions in the store: sealed, each bound to its name, for as long as the session may live.
 */
import type { RecordSealer } from '../store/sealed.ts'
import type { Store } from '../store/store.ts'
import { parseSession, remainingMs, type Session } from './session.ts'

/** All operations throw `SG_STORE_UNAVAILABLE`. */
export interface SessionRecords {
  /** The session of that name; undefined when there is none, or none that opens and parses. */
  read (key: string): Promise<Session | undefined>
  /** Writes over a record that exists. @returns false when it is gone: a session that was ended stays so */
  update (key: string, session: Session): Promise<boolean>
  /** Makes room for a session that is about to begin: an empty record, which is no session. */
  prepare (key: string): Promise<void>
  /** Ends a session on all replicas: the record first, then every copy. */
  end (key: string): Promise<void>
}

export interface SessionRecordsOptions {
  readonly store: Store
  readonly sealer: RecordSealer
  readonly now: () => number
  /** Told when the other replicas could not be told; they learn of the end when their copy is too old. */
  readonly onUntold: (error: unknown) => void
}

/** What replicas tell each other: the key of a session that ended. */
export const endedTopic = 'session-ended'

/** A prepared record that is not filled lives no longer than this. */
const preparedMs = 60_000

export function createSessionRecords ({ store, sealer, now, onUntold }: SessionRecordsOptions): SessionRecords {
  return {
    async read (key) {
      const record = await store.get(key)
      const text = record === undefined ? undefined : sealer.open('session-record', key, record)
      return text === undefined ? undefined : sessionOf(text)
    },
    update: async (key, session) =>
      await store.update(key, sealer.seal('session-record', key, JSON.stringify(session)), remainingMs(session, now())),
    prepare: async key => { await store.set(key, sealer.seal('session-record', key, '{}'), preparedMs) },
    async end (key) {
      await store.delete(key)
      await store.publish(endedTopic, key).catch(onUntold)
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
