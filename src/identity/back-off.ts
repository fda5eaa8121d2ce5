/** This file leaves the provider alone about one account after it could not answer. */
import { createBoundedMap } from './bounded.ts'

export interface BackOff {
  /** Milliseconds for which the account is not asked about, or 0. */
  wait (accountKey: string): number
  failed (accountKey: string, retryAfterMs: number | undefined): void
  succeeded (accountKey: string): void
}

interface Pause {
  readonly failures: number
  readonly ms: number
  readonly endsAt: number
}

const firstMs = 1_000
const maxMs = 30_000
const maxAccounts = 10_000

/** @param now - epoch milliseconds */
export function createBackOff (now: () => number, random: () => number): BackOff {
  const pauses = createBoundedMap<Pause>(maxAccounts)
  return {
    wait (accountKey) {
      const pause = pauses.get(accountKey)
      // A clock that was stepped back must not lengthen the pause.
      return pause === undefined ? 0 : Math.max(0, Math.min(pause.endsAt - now(), pause.ms))
    },
    failed (accountKey, retryAfterMs) {
      const failures = (pauses.get(accountKey)?.failures ?? 0) + 1
      const ms = retryAfterMs ?? Math.min(firstMs * 2 ** (failures - 1), maxMs) * (0.75 + 0.5 * random())
      pauses.set(accountKey, { failures, ms, endsAt: now() + ms })
    },
    succeeded (accountKey) { pauses.delete(accountKey) }
  }
}
