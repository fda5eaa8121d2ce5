/** This file keeps a server that does not answer from costing every request its deadline. */

export interface Breaker {
  /** Whether a call may be made. While open: one call per pause, as a probe; everyone else is refused at once. */
  admits (): boolean
  isClosed (): boolean
  succeeded (): void
  /** @returns whether this opened the breaker */
  failed (): boolean
  /** Closes it: a new connection has proved itself. */
  reset (): void
}

export interface BreakerOptions {
  /** Failures in a row that open the breaker. */
  readonly failures: number
  readonly pauseMs: number
  /** Milliseconds that only grow; not the clock, which may be stepped. */
  readonly now: () => number
}

export function createBreaker ({ failures, pauseMs, now }: BreakerOptions): Breaker {
  let failed = 0
  let admitsAt = 0

  function reset (): void { failed = 0 }

  return {
    admits () {
      if (failed < failures) return true
      if (now() < admitsAt) return false
      admitsAt = now() + pauseMs
      return true
    },
    isClosed: () => failed < failures,
    succeeded: reset,
    failed () {
      failed++
      admitsAt = now() + pauseMs
      return failed === failures
    },
    reset
  }
}
