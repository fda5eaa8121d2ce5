/** This file starts gateways: the program as operators run it, by a config of its own, and Redis behind it. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Emulator } from '../emulator/start.ts'
import type { Cleanup } from './cleanup.ts'
import { apis, clientId, clientSecret, tenantId } from './directory.ts'
import type { Machine } from './machine.ts'
import { freePort, moduleCommand, startProcess } from './processes.ts'

export interface Gateway {
  readonly port: number
  readonly pid: number
  /** Of its inspector, where it was asked for. */
  readonly inspectorPort: number | undefined
}

/** What all gateways of a run share, so that a session of one is a session of all. */
export interface Surroundings {
  readonly machine: Machine
  readonly cleanup: Cleanup
  readonly entra: Pick<Emulator, 'origin' | 'caFile' | 'caPem'>
  readonly publicUrl: string
  readonly appPort: number
  readonly webSocketPort: number
  readonly redisPort: number
  readonly key: string
}

export interface Variant {
  /** Routes beside the usual ones; default none. */
  readonly moreRoutes?: number
  readonly workers?: number
  readonly isInspected?: boolean
}

export const newKey = (): string => randomBytes(32).toString('base64url')

export async function startRedis (machine: Machine, cleanup: Cleanup, program: string): Promise<number> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'))
  cleanup.add(() => { rmSync(folder, { recursive: true, force: true }) })
  await startProcess(machine, cleanup, {
    role: 'upstream', command: [program, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], port
  })
  return port
}

/** Starts one and waits until it can sign users in. */
export async function startGateway (around: Surroundings, variant: Variant = {}): Promise<Gateway> {
  const { machine, cleanup } = around
  const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'))
  cleanup.add(() => { rmSync(folder, { recursive: true, force: true }) })
  const [port, managementPort] = [await freePort(), await freePort()]
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, JSON.stringify(configOf(around, variant, port, managementPort), null, 2))
  const inspectorPort = variant.isInspected === true ? await freePort() : undefined
  const env: Record<string, string> = inspectorPort === undefined ? {} : { NODE_OPTIONS: `--inspect=127.0.0.1:${inspectorPort}` }
  const command = moduleCommand('../src/main.js', 'serve', '--config', file)
  const { pid } = await startProcess(machine, cleanup, { role: variant.workers === 2 ? 'two-workers' : 'measured', command, env, port })
  while (!await isReady(managementPort)) await delay(50)
  return { port, pid: pid!, inspectorPort }
}

async function isReady (managementPort: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${managementPort}/readyz`).then(({ ok }) => ok, () => false)
}

/** All defaults of the gateway stay as they are, but for limits per client address: all users come from one. */
function configOf (around: Surroundings, { moreRoutes = 0, workers = 1 }: Variant, port: number, managementPort: number): object {
  const { entra, publicUrl, appPort, webSocketPort, redisPort, key } = around
  return {
    version: 1,
    server: {
      host: '127.0.0.1',
      port,
      publicUrl,
      workers,
      management: { host: '127.0.0.1', port: managementPort },
      limits: { signInsPerMinute: 100_000, invalidCookiesPerMinute: 100_000 }
    },
    entra: {
      instance: `${entra.origin}/`,
      tenantId,
      clientId,
      clientCredentials: [{ sourceType: 'ClientSecret', clientSecret }],
      initialScopes: [apis[0]!.scope],
      caFile: entra.caFile
    },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redisPort}` } },
    keys: [{ id: 'bench', key }],
    upstreams: {
      app: { url: `http://127.0.0.1:${appPort}` },
      websocket: { url: `http://127.0.0.1:${webSocketPort}` }
    },
    routes: [
      { path: '/public/*', upstream: 'app', access: 'public' },
      { path: '/app/*', upstream: 'app', scopes: [apis[0]!.scope] },
      { path: '/live/*', upstream: 'websocket', scopes: [apis[0]!.scope], websocket: true },
      ...apis.map(({ scope }, i) => ({ path: `/apis/${i}/*`, upstream: 'app', scopes: [scope] })),
      ...Array.from({ length: moreRoutes }, (_, i) => ({ path: `/teams/team-${i}/*`, upstream: 'app', scopes: [apis[0]!.scope] }))
    ]
  }
}
