/**
 * This file runs the program as an operator does: a process with arguments, its exit code, its two outputs, and signals.
 * The build is the one under `dist/`, brought up to date first.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { build } from './build.ts'
import { until } from './redis.ts'

const root = join(import.meta.dirname, '../..')
const main = join(root, 'dist/src/main.js')

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  /** What it has written to standard output so far. */
  readonly out: () => string
  /** The same of standard error. */
  readonly err: () => string
  readonly ended: Promise<Ended>
}

/**
 * Starts the program with nothing of this process's environment that could matter to it.
 *
 * @param wrapper - a program, with its arguments, that runs it
 */
export function start (
  t: Test, args: readonly string[], env: Readonly<Record<string, string>> = {}, wrapper: readonly string[] = []
): Running {
  build()
  const [program, ...rest] = [...wrapper, process.execPath, main, ...args] as [string, ...string[]]
  const child = spawn(program, rest, { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', chunk => { out += chunk })
  child.stderr.on('data', chunk => { err += chunk })
  t.teardown(() => { child.kill('SIGKILL') })
  const ended = new Promise<Ended>(resolve => { child.once('close', code => { resolve({ code, out, err }) }) })
  return { child, out: () => out, err: () => err, ended }
}

/** Starts `serve`. Resolves when it listens. */
export async function serving (
  t: Test, file: string, env: Readonly<Record<string, string>> = {}, wrapper: readonly string[] = []
): Promise<Running> {
  const running = start(t, ['serve', '--config', file], env, wrapper)
  await until('listening', () => running.out().includes('"listening"'), 60_000)
  return running
}

/** A folder that goes with the test. */
export function folder (t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'scopegate-process-'))
  t.teardown(() => { rmSync(path, { recursive: true, force: true }) })
  return path
}

/** Writes a config; JSON is YAML. @returns the file */
export function writeConfig (t: Test, config: object): string {
  const file = join(folder(t), 'gateway.yaml')
  writeFileSync(file, JSON.stringify(config, null, 2))
  return file
}
