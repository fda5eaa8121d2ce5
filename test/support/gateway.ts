/**
 * This file starts gateways for tests: the real thing, from a YAML file to a listening socket, on a free port.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { startEmulator, type Emulator, type EmulatorOptions } from '../../emulator/start.ts'
import { formatProblem, loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { buildGateway } from '../../src/server/gateway.ts'
import { createShared } from '../../src/server/shared.ts'
import { createSockets } from '../../src/server/sockets.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics, noMetrics } from '../../src/telemetry/metrics.ts'
import { noTraces, type Traces } from '../../src/telemetry/traces.ts'
import { createClock, type TestClock } from './clock.ts'
import { freePort } from './ports.ts'

export const tenant = '11111111-1111-4111-8111-111111111111'
export const clientId = '22222222-2222-4222-8222-222222222222'

export interface TestGateway {
  readonly url: string
  readonly port: number
  readonly clock: TestClock
  /** Where the management listener is; -1 when the config has none. */
  readonly managementPort: number
  /** From now on it says that it is about to end. */
  readonly drain: () => void
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
  readonly logging?: Record<string, unknown>
  /** Of the gateway; what this process has is not passed on. */
  readonly env?: Readonly<Record<string, string>>
  readonly traces?: Traces
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
  const config = load(t, configOf(parts, port), parts.env)
  let logged = ''
  const log = createLog('trace', { write: line => { logged += line } })
  let isDraining = false
  const { now } = clock
  const metrics = parts.server?.management === undefined ? noMetrics : await createMetrics()
  const shared = createShared({ log, now, onCheck: (outcome, seconds) => { metrics.storeOperation('check', outcome, seconds) } })
  const traces = parts.traces ?? noTraces
  const gateway = await buildGateway(config, { log, now, isDraining: () => isDraining, shared, metrics, traces })
  const sockets = createSockets(config.server, gateway, log)
  const { managementPort = -1 } = await sockets.listen()
  t.teardown(async () => {
    await Promise.all([sockets.drain({ serveOnMs: 0, drainMs: 0 }), sockets.close()])
    await gateway.close()
  })
  while (parts.emulator !== undefined && !gateway.isReady()) await delay(10)
  return {
    url: `http://localhost:${port}`,
    port,
    clock,
    managementPort,
    drain: () => { isDraining = true },
    isReady: gateway.isReady,
    logged: () => logged
  }
}

/** All tests come from one address, and many of them keep their process busy. */
const ample = { maxStallSeconds: 3600, signInsPerMinute: 100_000, signOutsPerMinute: 100_000, invalidCookiesPerMinute: 100_000 }

/** The config of a gateway on that port of loopback. */
export function configOf (parts: GatewayParts, port: number): object {
  const { emulator, upstreams, routes, server, entra, session, keys, store, logging } = parts
  return {
    version: 1,
    server: { host: '127.0.0.1', port, publicUrl: `http://localhost:${port}`, ...server, limits: { ...ample, ...server?.limits as object } },
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
    ...(logging === undefined ? {} : { logging }),
    upstreams,
    routes
  }
}

/** JSON is YAML: the config takes the way of every config. */
function load (t: Test, config: object, env: GatewayParts['env'] = {}): Config {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, JSON.stringify(config, null, 2))
  const loaded = loadConfig({ file, env })
  if (loaded.kind === 'problems') throw new Error(loaded.problems.map(formatProblem).join('\n'))
  return loaded.config
}
