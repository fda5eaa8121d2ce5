/**
 * This file keeps MSAL's cache of one account as one record of the store.
 *
 * MSAL never touches the store: an operation is handed the text of one record and gives back the changed text, which is
 * then written by whoever holds the account's lock. So no cache ever holds two accounts, and nothing is written that
 * was not checked first.
 */
import type { ICachePlugin } from '@azure/msal-node'
import type { KeyRing } from '../store/key-ring.ts'
import { createRecordSealer } from '../store/sealed.ts'
import type { Lease, Store } from '../store/store.ts'

/** What is stored of an account. */
export interface AccountRecord {
  /** The `sub` of the ID token that the account signed in with: a refreshed one must have the same. */
  readonly sub: string
  /** Epoch milliseconds at which the last of the account's sessions ends. */
  readonly endsAt: number
  /** MSAL's cache as JSON text. */
  readonly cache: string
}

export interface VersionedRecord extends AccountRecord {
  readonly version: number
}

/** All operations throw `SG_STORE_UNAVAILABLE`. */
export interface AccountRecords {
  /** The store key of an account. The braces keep record and lock on one node of a Redis Cluster. */
  keyOf (account: { readonly tid: string, readonly oid: string, readonly keyId?: string | undefined }): string
  /** One that does not open is none, and deleted unless it may be another replica's: its user signs in again. */
  read (key: string): Promise<VersionedRecord | undefined>
  /** Whether there is a record, be it one that only another replica can open. */
  exists (key: string): Promise<boolean>
  /** Writes whatever was there before. Only after a sign-in: everything else uses `compareAndSet`. */
  replace (key: string, record: AccountRecord): Promise<void>
  /** @returns false when the record has changed or is gone: it is never created */
  compareAndSet (key: string, version: number, record: AccountRecord): Promise<boolean>
  drop (key: string): Promise<void>
  /** @returns false when the record has changed or is gone: it is left alone */
  dropVersion (key: string, version: number): Promise<boolean>
  /** Across replicas. The lease outlives the longest provider call; who waits, waits longer than a dead holder's lease. */
  lock (key: string): Promise<Lease | undefined>
}

export interface AccountRecordsOptions {
  readonly store: Store
  readonly keys: KeyRing
  readonly clientId: string
  /** Epoch milliseconds. */
  readonly now: () => number
}

const leaseMs = 12_000
const lockWaitMs = 13_000

export function createAccountRecords ({ store, keys, clientId, now }: AccountRecordsOptions): AccountRecords {
  const sealer = createRecordSealer(keys)
  /** Bound to its name and version: another user's record, or an older one under this version, does not open. */
  const contextOf = (key: string, version: number): string => `${key} ${version}`
  const sealedFor = (key: string, { sub, endsAt, cache }: AccountRecord) =>
    (version: number): string => sealer.seal('account-record', contextOf(key, version), JSON.stringify({ sub, endsAt, cache }))

  // The contract has no conditional delete; an empty value for 1 ms is one, and reads as no record.
  const dropVersion = async (key: string, version: number): Promise<boolean> => await store.compareAndSet(key, version, '', 1)

  return {
    // The oid comes last: it is the only part whose alphabet is not fixed.
    keyOf: ({ tid, oid, keyId }) => `tc:{${keys.nameUnder(keyId, 'account-key', `${clientId}|${tid}|${oid}`)}}`,
    async read (key) {
      const found = await store.read(key)
      if (found === undefined) return undefined
      const { version, value } = found
      const text = sealer.open('account-record', contextOf(key, version), value)
      if (text === undefined && value !== '' && !sealer.isForeign(value)) await dropVersion(key, version)
      const record = text === undefined ? undefined : parseRecord(text)
      return record === undefined ? undefined : { ...record, version }
    },
    async exists (key) {
      const found = await store.read(key)
      return found !== undefined && found.value !== ''
    },
    replace: (key, record) => store.replace(key, sealedFor(key, record), record.endsAt - now()),
    compareAndSet: (key, version, record) => store.compareAndSet(key, version, sealedFor(key, record), record.endsAt - now()),
    async drop (key) { await store.delete(key) },
    dropVersion,
    lock: key => store.lock(`${key}:lock`, leaseMs, lockWaitMs)
  }
}

/** The store is not trusted to hold what was written: what is not a record is none. */
function parseRecord (text: string): AccountRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { sub, endsAt, cache } = value as Record<string, unknown>
  if (typeof sub !== 'string' || typeof endsAt !== 'number' || typeof cache !== 'string') return undefined
  return { sub, endsAt, cache }
}

/** The cache of one operation of MSAL. */
export interface Partition {
  readonly plugin: ICachePlugin
  /** The cache after the operation, or undefined when MSAL saved nothing. */
  changed (): string | undefined
}

/** @param cache - the text of a record, or empty: a sign-in starts from nothing */
export function createPartition (cache: string): Partition {
  let isLoaded = cache === ''
  let changed: string | undefined
  return {
    plugin: {
      async beforeCacheAccess ({ tokenCache }) {
        // MSAL asks again before it saves: loading twice would undo what it removed in between.
        if (!isLoaded) tokenCache.deserialize(cache)
        isLoaded = true
      },
      async afterCacheAccess ({ cacheHasChanged, tokenCache }) {
        if (cacheHasChanged) changed = tokenCache.serialize()
      }
    },
    changed: () => changed
  }
}
