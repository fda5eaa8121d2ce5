/**
 * This file leaves the provider alone about one account after it could not answer. How long the provider itself wants to be
 * left alone holds for all replicas: a small record in the store says so.
 */
import type { Store } from '../store/store.ts'
import { createBoundedMap } from './bounded.ts'

export interface BackOff {
  /** Milliseconds for which the account is not asked about, or 0: as far as this process knows. */
  wait (accountKey: string): number
  /** What all replicas know. Reads the store: for whoever is about to ask the provider. @throws SG_STORE_UNAVAILABLE */
  sharedWait (accountKey: string): Promise<number>
  /** @param isLocal - nobody but this process has to wait */
  failed (accountKey: string, trouble: Trouble): Promise<void>
  succeeded (accountKey: string): void
}

export interface Trouble {
  readonly retryAfterMs?: number | undefined
  readonly isLocal?: boolean
}

export interface BackOffOptions {
  readonly store: Pick<Store, 'get' | 'set'>
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

interface Pause {
  readonly failures: number
  readonly ms: number
  readonly endsAt: number
}

const firstMs = 1_000
const maxMs = 30_000
/** Accounts that were told the same, as by one outage, do not come back in the same moment but within this time. */
const spreadMs = 4_000
/** The longest pause that a provider may ask for, and its spread: a record that says more is not ours. */
const maxSharedMs = 304_000
const maxAccounts = 10_000

export function createBackOff ({ store, now, random }: BackOffOptions): BackOff {
  const pauses = createBoundedMap<Pause>(maxAccounts)

  function wait (accountKey: string): number {
    const pause = pauses.get(accountKey)
    // A clock that was stepped back must not lengthen the pause.
    return pause === undefined ? 0 : Math.max(0, Math.min(pause.endsAt - now(), pause.ms))
  }

  function pauseFor (failures: number, { retryAfterMs }: Trouble): number {
    if (retryAfterMs === undefined) return Math.min(firstMs * 2 ** (failures - 1), maxMs) * (0.75 + 0.5 * random())
    return Math.round(Math.max(retryAfterMs, firstMs) + random() * spreadMs)
  }

  return {
    wait,
    async sharedWait (accountKey) {
      const endsAt = Number(await store.get(nameOf(accountKey)))
      // Clocks of replicas differ: that the record is still there is what counts, and a second is the least it means.
      const ms = Number.isSafeInteger(endsAt) && endsAt > 0 ? Math.max(firstMs, Math.min(endsAt - now(), maxSharedMs)) : 0
      if (ms > 0) pauses.set(accountKey, { failures: 0, ms, endsAt: now() + ms })
      return ms
    },
    async failed (accountKey, trouble) {
      // Who was only kept from asking has not failed.
      const wasKept = trouble.isLocal === true && trouble.retryAfterMs !== undefined
      const failures = (pauses.get(accountKey)?.failures ?? 0) + (wasKept ? 0 : 1)
      const ms = pauseFor(failures, trouble)
      const endsAt = now() + ms
      pauses.set(accountKey, { failures, ms, endsAt })
      const isShared = trouble.retryAfterMs !== undefined && trouble.isLocal !== true
      // Without it the other replicas ask once each, and are told themselves.
      if (isShared) await store.set(nameOf(accountKey), String(endsAt), ms).catch(() => {})
    },
    succeeded (accountKey) { pauses.delete(accountKey) }
  }
}

function nameOf (accountKey: string): string {
  return `${accountKey}:pause`
}
