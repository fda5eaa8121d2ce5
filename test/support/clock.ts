/**
 * This file is a clock that tests move.
 */
export interface TestClock {
  readonly now: () => number
  advance (seconds: number): void
  /** From now on only `advance` moves it. */
  stop (): void
}

export function createClock (): TestClock {
  let offsetMs = 0
  let stoppedAt: number | undefined
  return {
    now: () => (stoppedAt ?? Date.now()) + offsetMs,
    advance: seconds => { offsetMs += seconds * 1000 },
    stop: () => { stoppedAt = Date.now() }
  }
}
