/** This file reads how much processor time a process has taken so far. */
import { readFileSync } from 'node:fs'

export interface ProcessorTime {
  /** In the program itself, in microseconds. */
  readonly user: number
  /** In the system, on its behalf. */
  readonly system: number
}

/** Of one tick (proc(5)): Linux counts hundredths of a second for programs, whatever it does inside. */
const tickMicros = 10_000

export function processorTime (pid: number): ProcessorTime {
  // The second field, in brackets, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')
  return { user: Number(fields[11]) * tickMicros, system: Number(fields[12]) * tickMicros }
}
