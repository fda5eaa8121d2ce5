/** This file is the shape of what a run found out, as written to `results/`. */

/** One line of the table: what was compared, and how it came out. */
export interface Row {
  /** Of the scenario that it belongs to. */
  readonly scenario: string
  readonly what: string
  readonly value: number
  readonly unit: 'x' | 'ms' | 'KB' | 'calls'
  /** What it has to be at least, or at most; absent: only for reading. */
  readonly bar?: Bar
}

export interface Bar {
  readonly atLeast?: number
  readonly atMost?: number
  /** What would be better than good enough. */
  readonly stretch?: number
}

/** The medians behind the ratios. */
export interface Figure {
  readonly scenario: string
  readonly who: string
  readonly perSecond?: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** Processor time of a request, in microseconds. */
  readonly micros?: number
  /** How much of it is the system's. */
  readonly systemMicros?: number
}

export interface Findings {
  /** Of other people's programs. */
  readonly versions?: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
  readonly figures: readonly Figure[]
}

/** @param slack - how much of the bar is enough; 1 is all of it */
export function isMet ({ value, bar }: Row, slack = 1): boolean {
  if (bar === undefined) return true
  return value >= (bar.atLeast ?? -Infinity) * slack && value <= (bar.atMost ?? Infinity) / slack
}
