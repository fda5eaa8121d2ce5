/**
 * This file is the world of the soak: two replicas as processes, with everything that they need behind something that can
 * break it.
 */
import { randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Inspector } from '../../bench/inspector.ts'
import type { Emulator } from '../../emulator/start.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { configOf, type GatewayParts } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { folder, type Running, serving, writeConfig } from '../support/process.ts'
import { type RedisServer, until } from '../support/redis.ts'
import { apis, isReady, startWorld } from '../support/replicas.ts'
import { attachInspector, inspectedAt } from '../support/vitals.ts'
import { startEchoUpstream } from '../support/websocket.ts'
import { type App, startApp } from './app.ts'

export interface Replica extends Running {
  readonly origin: string
  readonly inspector: Inspector
}

export interface SoakWorld {
  readonly entra: Emulator
  readonly publicUrl: string
  readonly redis: RedisServer
  readonly toRedis: FaultProxy
  readonly app: App
  readonly toApp: FaultProxy
  readonly replicas: readonly Replica[]
  /** Puts a new key into the ring: to open with, or to seal with when it is there already. */
  rotateRing (step: 'add' | 'use'): void
}

/** Renewed a minute after they were got, again and again, and used for a minute more. */
const tokenSeconds = 180

export async function startSoakWorld (t: Test): Promise<SoakWorld> {
  const { entra, redis, parts, publicUrl } = await startWorld(t, { refreshReuse: 'allow', tokenSeconds })
  const [app, live] = await Promise.all([startApp(t, entra), startEchoUpstream(t)])
  const [toRedis, toApp] = await Promise.all([startFaultProxy(t, redis.port), startFaultProxy(t, app.port)])
  const url = `http://127.0.0.1:${toApp.port}`
  const timeouts = { headersSeconds: 5, bodySeconds: 5 }
  const ring = createRing(t)
  const all = {
    ...parts,
    upstreams: {
      ...Object.fromEntries(apis.map(({ name, scope }) => [name, { url, scopes: [scope], timeouts }])),
      live: { url: live.origin }
    },
    routes: [...parts.routes, { path: '/events/*', upstream: apis[0]!.name, streaming: true }, { path: '/live/*', upstream: 'live', websocket: true }],
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${toRedis.port}` } },
    keys: { file: ring.file } as unknown as NonNullable<GatewayParts['keys']>
  }
  const replicas = await Promise.all([startReplica(t, all), startReplica(t, all)])
  return { entra, publicUrl, redis, toRedis, app, toApp, replicas, rotateRing: ring.rotate }
}

async function startReplica (t: Test, parts: GatewayParts): Promise<Replica> {
  const [port, managementPort, inspectorPort] = [await freePort(), await freePort(), await freePort()]
  const server = { ...parts.server, management: { port: managementPort } }
  const running = await serving(t, writeConfig(t, configOf({ ...parts, server }, port)), inspectedAt(inspectorPort))
  await until('a replica that is ready', async () => await isReady(`http://127.0.0.1:${managementPort}/readyz`), 60_000)
  return { ...running, origin: `http://localhost:${port}`, inspector: await attachInspector(t, inspectorPort) }
}

/** A key ring in a file. Sessions outlive a rotation, so no key leaves it. */
function createRing (t: Test) {
  const file = join(folder(t), 'keys.yaml')
  const create = (number: number): object => ({ id: `k${number}`, key: randomBytes(32).toString('base64') })
  let keys = [create(1)]
  function write (): void {
    writeFileSync(`${file}.next`, JSON.stringify(keys))
    renameSync(`${file}.next`, file)
  }
  write()
  return {
    file,
    rotate (step: 'add' | 'use'): void {
      keys = step === 'add' ? [...keys, create(keys.length + 1)] : [keys.at(-1)!, ...keys.slice(0, -1)]
      write()
    }
  }
}
