/** This file keeps a host that does not answer from being asked by everyone at once. */

export interface Breaker {
  /** @returns milliseconds for which no call may be made, or 0. After a pause, exactly one caller gets 0 to try again */
  wait (): number
  succeeded (): void
  failed (): void
}

export interface BreakerOptions {
  /** Failures in a row that open the breaker. */
  readonly failures: number
  readonly pauseMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function createBreaker ({ failures, pauseMs, now }: BreakerOptions): Breaker {
  let failed = 0
  let closedAt = 0

  return {
    wait () {
      if (failed < failures) return 0
      // A clock that was stepped back must not lengthen the pause.
      const left = Math.min(closedAt - now(), pauseMs)
      if (left > 0) return left
      closedAt = now() + pauseMs
      return 0
    },
    succeeded () { failed = 0 },
    failed () {
      failed++
      closedAt = now() + pauseMs
    }
  }
}
