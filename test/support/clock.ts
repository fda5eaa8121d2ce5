/**
 * This file is a clock that tests move.
 */
export interface TestClock {
  readonly now: () => number
  advance (seconds: number): void
}

export function createClock (): TestClock {
  let offsetMs = 0
  return { now: () => Date.now() + offsetMs, advance: seconds => { offsetMs += seconds * 1000 } }
}
