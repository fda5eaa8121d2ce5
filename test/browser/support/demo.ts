/**
 * This file runs the demo for a test as people run it: the built command, in a process of its own, on free ports.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { build } from '../../support/build.ts'
import { freePort } from '../../support/ports.ts'

/** A demo that was just started. */
export interface StartingDemo {
  /** The address that the last line names; never resolves when the demo ends before that. */
  readonly ready: Promise<string>
  readonly child: ChildProcess
  /** Everything the demo printed, on both streams. */
  readonly printed: () => string
  /** The exit code; undefined when a signal ended it. */
  readonly exit: Promise<number | undefined>
}

/** A demo that is ready. */
export interface RunningDemo extends StartingDemo {
  readonly url: string
}

const command = 'dist/demo/main.js'
const freePorts = {
  DEMO_GATEWAY_PORT: '0', DEMO_MANAGEMENT_PORT: '0', DEMO_EMULATOR_PORT: '0', DEMO_LEGACY_PORT: '0', DEMO_ORDERS_PORT: '0', DEMO_GRAPH_PORT: '0'
}

/** Starts a demo that ends with the test. Resolves when it is ready, rejects when it ends before that. */
export async function startDemo (t: Test): Promise<RunningDemo> {
  // These are found before the gateway's process takes them.
  const [gateway, management] = [await freePort(), await freePort()]
  const demo = spawnDemo(t, { DEMO_GATEWAY_PORT: String(gateway), DEMO_MANAGEMENT_PORT: String(management) })
  const failure = demo.exit.then(code => {
    throw new Error(`the demo ended with ${code} before it was ready:\n${demo.printed()}`)
  })
  return { ...demo, url: await Promise.race([demo.ready, failure]) }
}

/**
 * Starts a demo, and ends it with the test at the latest.
 *
 * @param env - beside free ports for everything
 */
export function spawnDemo (t: Test, env: Readonly<Record<string, string>> = {}): StartingDemo {
  build()
  const tlsFolder = mkdtempSync(join(tmpdir(), 'scopegate-demo-test-'))
  const child = spawn(process.execPath, [command], {
    env: { PATH: process.env.PATH, ...freePorts, DEMO_TLS_FOLDER: tlsFolder, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let printed = ''
  const ready = new Promise<string>(resolve => {
    const read = (chunk: Buffer): void => {
      printed += chunk.toString()
      const [, url] = /^ready (http:\/\/localhost:\d+)\n/m.exec(printed) ?? []
      if (url !== undefined) resolve(url)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
  })
  const exit = once(child, 'close').then(([code]) => (code as number | null) ?? undefined)
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exit
    rmSync(tlsFolder, { recursive: true, force: true })
  })
  return { ready, child, printed: () => printed, exit }
}
