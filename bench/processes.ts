/** This file starts processes on their processors, waits until they listen, and ends them by their ids. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createConnection, createServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cleanup } from './cleanup.ts'
import type { Machine, Role } from './machine.ts'

export interface Start {
  readonly role: Role
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** It is there once it listens here. */
  readonly port: number
  /** Whether it is a program of ours that takes and sends messages. */
  readonly talks?: boolean
  /** What ends it; default SIGKILL. */
  readonly endSignal?: NodeJS.Signals
}

const startMs = 30_000
const pollMs = 20
const endMs = 5000

/** @throws when it ends, or does not listen within half a minute; what it wrote to standard error is in the message */
export async function startProcess (machine: Machine, cleanup: Cleanup, start: Start): Promise<ChildProcess> {
  const { role, command, env = {}, port, talks = false, endSignal = 'SIGKILL' } = start
  const [program, ...args] = machine.pin(role, command) as [string, ...string[]]
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe', ...(talks ? ['ipc' as const] : [])]
  })
  let said = ''
  child.stderr!.on('data', chunk => { said = (said + String(chunk)).slice(-4000) })
  cleanup.add(async () => { await end(child, endSignal) })
  const until = performance.now() + startMs
  while (!await listensAt(port)) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`${command.join(' ')} did not start: ${said}`)
    await delay(pollMs)
  }
  return child
}

async function end (child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise(resolve => { child.once('exit', resolve) })
  child.kill(signal)
  const late = setTimeout(() => { child.kill('SIGKILL') }, endMs)
  await ended
  clearTimeout(late)
}

async function listensAt (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => { resolve(false) })
  })
}

/** A port of loopback that nobody has. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })
  return port
}

export const node = process.execPath

/** A file of this folder that is not compiled, also for modules that run from `dist/bench`. */
export function sourcePath (path: string): string {
  const base = import.meta.url.includes('/dist/bench/') ? new URL('../../bench/', import.meta.url) : import.meta.url
  return new URL(path, base).pathname
}

/** A module of the benchmarks as a command. */
export function moduleCommand (path: string, ...args: readonly string[]): string[] {
  return [node, new URL(path, import.meta.url).pathname, ...args]
}
