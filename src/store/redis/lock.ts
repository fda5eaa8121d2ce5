/** This file is the lock across replicas: one key with its owner's name and a lease. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lease } from '../store.ts'
import type { Connection } from './connect.ts'
import type { Guard } from './guard.ts'
import { removeIfEqual } from './scripts.ts'

const minPollMs = 15
const maxPollMs = 45

/**
 * Waits for a lock at most `waitMs`. A holder that outlives its lease is not told: whoever writes under a lock has to
 * write by compare-and-set as well.
 */
export async function takeLock (
  run: Guard<Connection>, key: string, leaseMs: number, waitMs: number
): Promise<Lease | undefined> {
  const owner = randomUUID()
  const endsAt = performance.now() + waitMs

  async function release (): Promise<void> {
    await run(async ({ commands }) => await removeIfEqual(commands, key, owner))
  }

  while (!await tryOnce()) {
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) return undefined
    await delay(Math.min(leftMs, minPollMs + Math.random() * (maxPollMs - minPollMs)))
  }
  return {
    async release () {
      // One that cannot be released ends with its lease.
      await release().catch(() => {})
    }
  }

  async function tryOnce (): Promise<boolean> {
    try {
      return await run(async ({ commands }) => await commands.set(key, owner, { condition: 'NX', expiration: { type: 'PX', value: leaseMs } })) === 'OK'
    } catch (error) {
      // The answer may be late rather than the command lost: nobody would hold the lock that it takes.
      release().catch(() => {})
      throw error
    }
  }
}
