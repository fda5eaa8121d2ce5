/**
 * This file moves time. It moves `Date` itself: MSAL reads that, so a clock that is only handed to our own code would
 * disagree with the one that decides which cached tokens MSAL gives out.
 */
import type { Test } from 'tap'

export interface Clock {
  /** Epoch milliseconds. */
  now: () => number
  advance (ms: number): void
  /** From now on only `advance` moves it: what is measured by it does not depend on how long this machine takes. */
  stop (): void
}

const SystemDate = Date
let offset = 0
let stoppedAt: number | undefined

class MovedDate extends SystemDate {
  constructor (...given: [] | [number | string | Date]) {
    super(...(given.length === 0 ? [MovedDate.now()] : given) as [number])
  }

  static override now (): number {
    return (stoppedAt ?? SystemDate.now()) + offset
  }
}

/** The one clock of the process, back at the system's time when the test ends. */
export function createClock (t: Test): Clock {
  globalThis.Date = MovedDate as DateConstructor
  t.teardown(() => {
    offset = 0
    stoppedAt = undefined
  })
  return { now: () => Date.now(), advance (ms) { offset += ms }, stop () { stoppedAt = SystemDate.now() } }
}
