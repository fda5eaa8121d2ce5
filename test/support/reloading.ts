/** This file starts a program whose config a test changes while it serves. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Browser, createBrowser } from './browser.ts'
import { configOf, type GatewayParts, startEntra } from './gateway.ts'
import { freePort } from './ports.ts'
import { folder, type Running, serving } from './process.ts'
import { until } from './redis.ts'
import { signIn } from './signed-in.ts'
import { startUpstream } from './upstream.ts'

export type Parts = Omit<GatewayParts, 'keys'> & { keys?: unknown }

export interface ProgramOptions {
  /** The folder of the config. */
  readonly at?: string
  /** The config; below `..data` it is mounted as a volume. */
  readonly file?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A program that serves, and its config. */
export interface Program extends Running {
  readonly url: string
  readonly folder: string
  /** The config of those parts, for this program. */
  configFor (parts: Parts): object
  /** Writes the config as editors do, in place. */
  write (parts: Parts): void
  /** Waits until so many lines of an event are in the log. */
  heard (event: string, count: number): Promise<void>
}

export async function startProgram (
  t: Test, parts: Parts, { at = folder(t), file = join(at, 'gateway.yaml'), env = {} }: ProgramOptions = {}
): Promise<Program> {
  const port = await freePort()
  const configFor = (next: Parts): object => configOf(next as GatewayParts, port)
  const write = (next: Parts): void => { writeFileSync(file, JSON.stringify(configFor(next))) }
  if (!file.includes('..data')) write(parts)
  else mount(at, { 'gateway.yaml': configFor(parts) })
  const running = await serving(t, file, env)
  const count = (event: string): number => running.out().split(`"event":"${event}"`).length - 1
  async function heard (event: string, wanted: number): Promise<void> {
    await until(`${event} for the ${wanted}. time`, () => count(event) >= wanted, 60_000)
  }
  return { ...running, url: `http://localhost:${port}`, folder: at, configFor, write, heard }
}

/** A provider, an application that wants a token, and one route. */
export async function world (t: Test): Promise<Parts & { readonly emulator: Awaited<ReturnType<typeof startEntra>> }> {
  const emulator = await startEntra(t)
  const app = await startUpstream(t)
  return {
    emulator,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }]
  }
}

/** Signs in once the provider has been reached. */
export async function signedIn (t: Test, program: Program, parts: Awaited<ReturnType<typeof world>>): Promise<Browser> {
  const anybody = createBrowser(t)
  await until('a gateway that is ready', async () => (await anybody.visit(`${program.url}/.auth/login`)).status === 302)
  return (await signIn(t, { url: program.url, entra: parts.emulator })).browser
}

/** Replaces files as a mounted ConfigMap or Secret is: by swapping the link to the folder that they are in. JSON is YAML. */
export function mount (folder: string, files: Readonly<Record<string, object>>): void {
  const version = join(folder, `..${randomBytes(4).toString('hex')}`)
  mkdirSync(version)
  for (const [name, value] of Object.entries(files)) writeFileSync(join(version, name), JSON.stringify(value))
  symlinkSync(version, join(folder, '..next'))
  renameSync(join(folder, '..next'), join(folder, '..data'))
}
