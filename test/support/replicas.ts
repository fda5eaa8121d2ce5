/**
 * This file is the world of several replicas: a Redis, an emulator with five APIs and twenty users, one application
 * behind all routes, and gateways that differ in their port only, in this process or as processes.
 */
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import type { EmulatorConfig } from '../../emulator/config/shape.ts'
import type { Emulator } from '../../emulator/start.ts'
import { configWith } from '../emulator/support/config.ts'
import { type Browser, createBrowser } from './browser.ts'
import { configOf, type GatewayParts, startEntra } from './gateway.ts'
import { createVerifier } from './jwt.ts'
import { freePort } from './ports.ts'
import { type Running, serving, writeConfig } from './process.ts'
import { type RedisServer, startRedis, until } from './redis.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'

/** One of the five scope sets: `/<name>/*` is its route. */
export interface Api {
  readonly name: string
  readonly scope: string
  /** `aud` of its tokens. */
  readonly audience: string
}

export const apis: readonly Api[] = [
  // The first two are of the emulator's own directory.
  { name: 'orders', scope: 'api://orders/Orders.Read', audience: '44444444-4444-4444-8444-444444444444' },
  { name: 'reports', scope: 'api://reports/Reports.Read', audience: '55555555-5555-4555-8555-555555555555' },
  { name: 'billing', scope: 'api://billing/Billing.Read', audience: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa3' },
  { name: 'search', scope: 'api://search/Search.Read', audience: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa4' },
  { name: 'mail', scope: 'api://mail/Mail.Read', audience: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa5' }
]

export interface TestUser {
  readonly upn: string
  readonly oid: string
}

export const users: readonly TestUser[] = Array.from({ length: 20 }, (_, i) => {
  const number = String(i + 1).padStart(2, '0')
  return { upn: `user-${number}@contoso.example`, oid: `33333333-3333-4333-8333-0000000000${number}` }
})

export interface World {
  readonly entra: Emulator
  readonly redis: RedisServer
  readonly app: TestUpstream
  /** Of every replica. Its browser-facing address is `publicUrl`. */
  readonly parts: GatewayParts
  readonly publicUrl: string
  /** Signs in: begins at the first origin, and finishes at the last one. */
  signIn (user: TestUser, ...origins: readonly [string, ...string[]]): Promise<Browser>
  /** Token requests of all replicas since then. */
  tokenCalls (since?: number): ReturnType<Emulator['requests']>
  /** Throws unless a reply of the application says that it saw this user's token for this API. */
  verify (body: string, user: TestUser, api: Api): Promise<void>
}

export interface WorldOptions {
  /** What the provider does with a used refresh token: Entra allows it, a strict one takes each once. */
  readonly refreshReuse: 'allow' | 'revoke'
  /** Default: a free port, where nobody listens. */
  readonly publicPort?: number
  /** Lifetime of access tokens; default an hour. */
  readonly tokenSeconds?: number
}

export async function startWorld (t: Test, { refreshReuse, publicPort, tokenSeconds = 3600 }: WorldOptions): Promise<World> {
  const entra = await startEntra(t, { config: directory(refreshReuse, tokenSeconds) })
  const redis = await startRedis(t)
  const app = await startUpstream(t)
  const publicUrl = `http://localhost:${publicPort ?? await freePort()}`
  const verifyToken = await createVerifier(entra)

  async function signIn (user: TestUser, ...origins: readonly [string, ...string[]]): Promise<Browser> {
    const browser = createBrowser(t, { ca: entra.caPem, user: user.upn })
    const begun = await browser.visit(`${origins[0]}/.auth/login?post_login_redirect_uri=%2Fx`)
    const answered = await browser.visit(`${begun.location()}&autologin=${user.upn}&autoconsent=1`)
    const done = await browser.visit(answered.location().replace(publicUrl, origins.at(-1)!))
    if (done.status !== 303) throw new Error(`signing in ended with ${done.status} ${done.body}`)
    return browser
  }

  async function verify (body: string, user: TestUser, api: Api): Promise<void> {
    const { oid, aud } = await verifyToken(JSON.parse(body).headers.authorization)
    if (oid !== user.oid || aud !== api.audience) throw new Error(`${user.upn} at ${api.name}: a token of ${String(oid)} for ${String(aud)}`)
  }

  return {
    entra,
    redis,
    app,
    parts: partsOf({ entra, redis, app, publicUrl }),
    publicUrl,
    signIn,
    tokenCalls: since => entra.requests(since).filter(({ endpoint }) => endpoint === 'token'),
    verify
  }
}

function directory (refreshReuse: WorldOptions['refreshReuse'], tokenSeconds: number): EmulatorConfig {
  const added = apis.slice(2).map(({ name, scope, audience }) => [name, {
    clientId: audience, identifierUris: [`api://${name}`], accessTokenVersion: 2 as const, scopes: [{ value: scope.split('/').at(-1)! }]
  }] as const)
  return configWith({
    apps: Object.fromEntries(added),
    users: Object.fromEntries(users.map(({ upn, oid }) => [upn, { oid, name: upn }])),
    tenant: { grants: apis.map(({ name, scope }) => ({ client: 'Gateway', resource: `api://${name}`, scopes: [scope.split('/').at(-1)!] })) },
    config: { quirks: { refreshReuse }, lifetimes: { accessToken: [tokenSeconds, tokenSeconds] } }
  })
}

function partsOf ({ entra, redis, app, publicUrl }: Pick<World, 'entra' | 'redis' | 'app' | 'publicUrl'>): GatewayParts {
  return {
    emulator: entra,
    upstreams: Object.fromEntries(apis.map(({ name, scope }) => [name, { url: app.origin, scopes: [scope] }])),
    routes: apis.map(({ name }) => ({ path: `/${name}/*`, upstream: name })),
    server: { publicUrl },
    entra: { initialScopes: [apis[0]!.scope] },
    session: { idleSeconds: 20_000 },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  }
}

export interface ReplicaProcess extends Running {
  readonly origin: string
  readonly port: number
  /** Of its management listener: answers 200 while it wants requests. */
  readonly readyUrl: string
}

/** A replica that can be stopped and killed. Resolves when it is ready. */
export async function startReplica (t: Test, { parts }: Pick<World, 'parts'>): Promise<ReplicaProcess> {
  const [port, managementPort] = [await freePort(), await freePort()]
  const server = { ...parts.server, management: { port: managementPort } }
  const running = await serving(t, writeConfig(t, configOf({ ...parts, server }, port)))
  const readyUrl = `http://127.0.0.1:${managementPort}/readyz`
  await until('a replica that is ready', async () => await isReady(readyUrl), 60_000)
  return { ...running, port, origin: `http://localhost:${port}`, readyUrl }
}

/** Whether a probe of that address is answered with 200. */
export async function isReady (readyUrl: string): Promise<boolean> {
  return await fetch(readyUrl, { signal: AbortSignal.timeout(5000) }).then(({ ok }) => ok, () => false)
}
