/** This file makes sessions and what reads them, for tests that need no gateway around. */
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { createSessionIds, type SessionIds } from '../../src/session/ids.ts'
import { createSessionReader, type LiveSession, type SessionReader } from '../../src/session/reader.ts'
import { createSessionRecords, type SessionRecords } from '../../src/session/records.ts'
import { type Account, type Claims, type Session, startSession } from '../../src/session/session.ts'
import { createKeyRing, type KeyRing } from '../../src/store/key-ring.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createRecordSealer, type RecordSealer } from '../../src/store/sealed.ts'
import type { Store } from '../../src/store/store.ts'
import { createClock, type TestClock } from '../support/clock.ts'

export const tid = '11111111-1111-4111-8111-111111111111'
export const oid = '33333333-3333-4333-8333-333333333333'
export const account: Account = { tid, oid, homeAccountId: `${oid}.${tid}`, environment: 'login.example' }
export const limits = { idleMs: 3_600_000, absoluteMs: 28_800_000 }
export const cookieName = '__Host-scopegate'

export function sessionAt (now: number, claims: Claims = { oid, tid, name: 'Alice' }): Session {
  return startSession(account, claims, now, limits)
}

export interface SessionWorld {
  readonly clock: TestClock
  readonly keys: KeyRing
  readonly ids: SessionIds
  /** A memory store that counts calls and can be replaced in parts. */
  readonly store: Store
  readonly calls: string[]
  readonly records: SessionRecords
  readonly reader: SessionReader
  readonly touchFailures: unknown[]
  readonly sealer: RecordSealer
  /** The names of records that were opened. */
  readonly opened: readonly string[]
  /** Sessions whose claims were said to be due. */
  readonly due: readonly LiveSession[]
  /** From now on these are the newest claims of every account. */
  newest (claims: Claims): void
  /** One entry for each broken record that was met. */
  readonly broken: readonly string[]
  /** Stores a session and returns what a browser and the store know it by. */
  signIn (claims?: Claims): Promise<{ header: string, key: string, session: Session }>
}

export function sessionWorld (t: Test, parts: Partial<Store> = {}): SessionWorld {
  const clock = createClock()
  const memory = createMemoryStore({ now: clock.now })
  t.teardown(memory.close)
  const calls: string[] = []
  const kept = { ...memory, ...parts }
  const store: Store = {
    ...kept,
    get: async key => {
      calls.push(`get ${key}`)
      return await kept.get(key)
    },
    update: async (key, value, ttlMs) => {
      calls.push(`update ${key}`)
      return await kept.update(key, value, ttlMs)
    }
  }
  const keys = createKeyRing([{ id: 'k1', secret: randomBytes(32) }], 'gw')
  const ids = createSessionIds(keys)
  const touchFailures: unknown[] = []
  const onTouchFailed = (error: unknown): void => { touchFailures.push(error) }
  const opened: string[] = []
  const real = createRecordSealer(keys)
  const sealer: RecordSealer = {
    ...real,
    open (purpose, context, sealed) {
      opened.push(context)
      return real.open(purpose, context, sealed)
    }
  }
  const broken: string[] = []
  const due: LiveSession[] = []
  let newest: Claims | undefined
  async function newestClaims (_account: Account, seen: number): Promise<'as before' | { stamp: number, claims: Claims | undefined }> {
    const stamp = newest === undefined ? 0 : Number(newest['iat'])
    return stamp === seen ? 'as before' : { stamp, claims: newest }
  }

  const records = createSessionRecords({
    store, sealer, now: clock.now, newestClaims, onUntold: onTouchFailed, onBroken: () => { broken.push('broken') }
  })
  const reader = createSessionReader({
    records, ids, cookieName, limits, now: clock.now, onTouchFailed, onClaimsDue: live => { due.push(live) }
  })
  return {
    clock,
    keys,
    ids,
    store,
    calls,
    records,
    reader,
    touchFailures,
    due,
    newest: claims => { newest = claims },
    sealer,
    opened,
    broken,
    async signIn (claims) {
      const id = ids.generate()
      const session = sessionAt(clock.now(), claims)
      const key = ids.recordKey(id)
      await memory.set(key, sealer.seal('session-record', key, JSON.stringify(session)), limits.idleMs)
      return { header: `${cookieName}=${ids.sign(id)}`, key: ids.recordKey(id), session }
    }
  }
}
