/**
 * This file starts gateways for tests: the real thing, from a YAML file to a listening socket, on a free port.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { startEmulator, type Emulator, type EmulatorOptions } from '../../emulator/start.ts'
import { formatProblem, loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { buildGateway } from '../../src/server/gateway.ts'
import { knownHosts } from '../../src/server/hosts.ts'
import { createListener } from '../../src/server/listener.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createClock, type TestClock } from './clock.ts'

export const tenant = '11111111-1111-4111-8111-111111111111'
export const clientId = '22222222-2222-4222-8222-222222222222'

export interface TestGateway {
  readonly url: string
  readonly port: number
  readonly clock: TestClock
  /** Whether provider and store answer. */
  readonly isReady: () => boolean
  /** Everything that was logged, at trace level. */
  readonly logged: () => string
}

export interface GatewayParts {
  readonly emulator?: Pick<Emulator, 'origin' | 'caFile'>
  readonly upstreams: Record<string, unknown>
  readonly routes: readonly unknown[]
  readonly server?: Record<string, unknown>
  readonly entra?: Record<string, unknown>
  readonly session?: Record<string, unknown>
  readonly keys?: readonly unknown[]
  readonly store?: Record<string, unknown>
}

/** Starts an emulator that ends with the test. */
export async function startEntra (t: Test, options: EmulatorOptions = {}): Promise<Emulator> {
  const emulator = await startEmulator(options)
  t.teardown(async () => { await emulator.close() })
  return emulator
}

export async function startGateway (t: Test, parts: GatewayParts): Promise<TestGateway> {
  const port = await freePort()
  const clock = createClock()
  const config = load(t, configOf(parts, port))
  let logged = ''
  const log = createLog('trace', { write: line => { logged += line } })
  const gateway = await buildGateway(config, { log, now: clock.now })
  const listener = createListener(config.server, { isKnownHost: knownHosts(config), handle: gateway.handle, log })
  await listener.listen()
  t.teardown(async () => {
    await listener.close(0)
    await gateway.close()
  })
  while (parts.emulator !== undefined && !gateway.isReady()) await delay(10)
  return { url: `http://localhost:${port}`, port, clock, isReady: gateway.isReady, logged: () => logged }
}

function configOf ({ emulator, upstreams, routes, server, entra, session, keys, store }: GatewayParts, port: number): object {
  return {
    version: 1,
    server: { host: '127.0.0.1', port, publicUrl: `http://localhost:${port}`, ...server },
    entra: {
      instance: `${emulator?.origin ?? 'https://localhost:1'}/`,
      tenantId: tenant,
      clientId,
      clientCredentials: [{ sourceType: 'ClientSecret', clientSecret: 'gw-secret' }],
      ...(emulator === undefined ? {} : { caFile: emulator.caFile }),
      ...entra
    },
    ...(session === undefined ? {} : { session }),
    ...(keys === undefined ? {} : { keys }),
    ...(store === undefined ? {} : { store }),
    upstreams,
    routes
  }
}

/** JSON is YAML: the config takes the way of every config. */
function load (t: Test, config: object): Config {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, JSON.stringify(config, null, 2))
  const loaded = loadConfig({ file, env: {} })
  if (loaded.kind === 'problems') throw new Error(loaded.problems.map(formatProblem).join('\n'))
  return loaded.config
}

/** A port that nobody has: publicUrl names it before the gateway listens. */
export async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => { server.close(resolve) })
  return port
}
