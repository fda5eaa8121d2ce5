/** This file makes load with wrk: requests as they are, from many connections, for some seconds. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cleanup } from './cleanup.ts'
import type { Machine } from './machine.ts'
import { sourcePath } from './processes.ts'

/** What is sent, chosen from at random. */
export interface Request {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Sample {
  /** That were answered. */
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export const connections = 64

/** Writes a file of requests for wrk, once: there may be many. */
export function writeRequests (cleanup: Cleanup, requests: readonly Request[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'bench-requests-'))
  cleanup.add(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'requests')
  writeFileSync(file, requests.map(textOf).join(''))
  return file
}

/** Lines end with LF here: what reads them joins them with CRLF. */
function textOf ({ method, path, headers, body }: Request): string {
  const all = { Host: 'localhost', ...headers, ...(body === undefined ? {} : { 'Content-Length': String(body.length) }) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\n`).join('')
  return `${method} ${path} HTTP/1.1\n${lines}\n${body ?? ''}\n.\n`
}

export interface Shots {
  readonly port: number
  /** Made by {@link writeRequests}. */
  readonly file: string
  readonly seconds: number
  readonly rate?: number | undefined
}

/** @throws when a request failed or was answered with anything but 2xx */
export async function shoot (machine: Machine, wrk: string, { port, file, seconds, rate }: Shots): Promise<Sample> {
  const pauseMs = rate === undefined ? 0 : Math.round(1000 * connections / rate)
  const command = machine.pin('load', [
    wrk, '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout=10s', `-s${sourcePath('requests.lua')}`, `http://127.0.0.1:${port}`, '--', file, String(pauseMs)
  ])
  const [program, ...args] = command as [string, ...string[]]
  const { stdout } = await promisify(execFile)(program, args)
  const result = JSON.parse(/^RESULT (.*)$/m.exec(stdout)![1]!) as Record<'requests' | 'micros' | 'p50Micros' | 'p99Micros' | 'failed', number>
  const { requests, micros, p50Micros, p99Micros, failed } = result
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`)
  return { requests, perSecond: requests / (micros / 1e6), p50Ms: p50Micros / 1000, p99Ms: p99Micros / 1000 }
}
