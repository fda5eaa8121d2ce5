/** This file is the lock across replicas: one record with its owner's name and a lease. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lease } from './store.ts'

/** What a store can do with the record of a lock; each is atomic. */
export interface LockRecord {
  /** @returns whether the record was free, and now is this owner's */
  take (owner: string): Promise<boolean>
  /** Frees the record if it is still this owner's. */
  free (owner: string): Promise<unknown>
}

const minPollMs = 15
const maxPollMs = 45

/**
 * Waits for a lock at most `waitMs`. A holder that outlives its lease is not told: whoever writes under a lock has to
 * write by compare-and-set as well.
 */
export async function takeLock (record: LockRecord, waitMs: number): Promise<Lease | undefined> {
  const owner = randomUUID()
  const endsAt = performance.now() + waitMs

  while (!await tryOnce()) {
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) return undefined
    await delay(Math.min(leftMs, minPollMs + Math.random() * (maxPollMs - minPollMs)))
  }
  return {
    async release () {
      // One that cannot be released ends with its lease.
      await record.free(owner).catch(() => {})
    }
  }

  async function tryOnce (): Promise<boolean> {
    try {
      return await record.take(owner)
    } catch (error) {
      // The answer may be late rather than the command lost: nobody would hold the lock that it takes.
      record.free(owner).catch(() => {})
      throw error
    }
  }
}
