/** This file is a run of benchmarks as a program: it ends all that was started, however that goes, and writes what was found. */
import { join } from 'node:path'
import { type Cleanup, createCleanup } from './cleanup.ts'
import { lookAtMachine, type Machine } from './machine.ts'
import { writeResults } from './report.ts'
import type { Findings } from './result.ts'

export const folder = join('bench', 'results')

export async function run (work: (machine: Machine, cleanup: Cleanup) => Promise<void>): Promise<void> {
  const machine = lookAtMachine()
  const cleanup = createCleanup()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { cleanup.run().finally(() => process.exit(1)) })
  try {
    console.log(`${machine.cores} processors (${machine.model}), Node ${machine.node}, ${machine.isPinned ? 'pinned' : 'NOT pinned: figures will be unsteady'}`)
    await work(machine, cleanup)
  } finally {
    await cleanup.run()
  }
}

/** As NAME of the folder. */
export function keep (name: string, machine: Machine, findings: Findings): void {
  writeResults(folder, name, machine, findings)
  console.log(`written to ${join(folder, name)}.json and .svg`)
}
