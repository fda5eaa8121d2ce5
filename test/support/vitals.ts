/**
 * This file looks at a process from outside: its memory, its file descriptors, and what is left of its heap when all
 * garbage is gone.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { attachInspector as attach, type Inspector } from '../../bench/inspector.ts'
import { until } from './redis.ts'

/** Resident memory of a process, in bytes (proc(5), VmRSS). */
export function residentBytes (pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

export function descriptors (pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** What makes a process of Node open its inspector at that port of loopback. */
export function inspectedAt (port: number): Record<string, string> {
  return { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` }
}

/** Whether a line on standard error is nothing, or what Node says there about the inspector: each version in words of its own. */
export function isOfInspector (line: string): boolean {
  return /^$|^For help, see: |ebugger|inspector/.test(line)
}

/** Attaches to a process that was started with {@link inspectedAt}, once its inspector is there. */
export async function attachInspector (t: Test, port: number): Promise<Inspector> {
  await until('an inspector', async () => await fetch(`http://127.0.0.1:${port}/json/list`).then(({ ok }) => ok, () => false))
  const inspector = await attach(port)
  t.teardown(inspector.close)
  return inspector
}
