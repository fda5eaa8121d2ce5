/** This file keeps a host that does not answer from being asked by everyone at once. */

export interface Breaker {
  /**
   * @returns milliseconds for which no call may be made, or 0. After a pause, exactly one caller gets 0 to try again; the
   *   others are told to wait for the outcome of that
   */
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

/** About how long a try takes. */
const tryMs = 1_000

export function createBreaker ({ failures, pauseMs, now }: BreakerOptions): Breaker {
  let failed = 0
  let closedAt = 0
  let isTrying = false

  return {
    wait () {
      if (failed < failures) return 0
      // A clock that was stepped back must not lengthen the pause.
      const left = Math.min(closedAt - now(), pauseMs)
      if (left > 0) return isTrying ? Math.min(left, tryMs) : left
      closedAt = now() + pauseMs
      isTrying = true
      return 0
    },
    succeeded () {
      failed = 0
      isTrying = false
    },
    failed () {
      failed++
      isTrying = false
      closedAt = now() + pauseMs
    }
  }
}
