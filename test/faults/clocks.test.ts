/**
 * This file runs replicas of one Redis with clocks that are wrong, as processes of their own (security.md, F5, C5.15 and
 * C13.7). The provider's and this process's clock are right.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { type Browser, createBrowser } from '../support/browser.ts'
import { clientId, startEntra, tenant } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { type Running, serving, writeConfig } from '../support/process.ts'
import { startRedis, until } from '../support/redis.ts'
import { reachCallback } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const scope = 'api://orders/Orders.Read'
const user = 'alice@contoso.example'
const entra = await startEntra(t)
const app = await startUpstream(t)
const redis = await startRedis(t)
const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]
const publicUrl = `http://localhost:${await freePort()}`
const right = await startReplica(t)

interface Replica extends Running { readonly url: string }

/** @param offset - of its clock, as faketime takes it */
async function startReplica (t: Test, offset?: string): Promise<Replica> {
  const port = await freePort()
  const file = writeConfig(t, {
    version: 1,
    server: { host: '127.0.0.1', port, publicUrl },
    entra: {
      instance: `${entra.origin}/`,
      tenantId: tenant,
      clientId,
      caFile: entra.caFile,
      initialScopes: [scope],
      clientCredentials: [{ sourceType: 'ClientSecret', clientSecret: 'gw-secret' }]
    },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys,
    upstreams: { orders: { url: app.origin, scopes: [scope] } },
    routes: [{ path: '/*', upstream: 'orders' }]
  })
  const running = await serving(t, file, offset === undefined ? {} : wrongBy(offset))
  const url = `http://localhost:${port}`
  const browser = createBrowser(t)
  for (let status = 503; status === 503;) status = (await browser.visit(`${url}/.auth/login`)).status
  return { ...running, url }
}

/**
 * The library without its program, which would stay between us and the process. Deadlines and timers go by the monotonic
 * clock, which nobody sets.
 */
function wrongBy (offset: string): Record<string, string> {
  const [library] = readdirSync('/usr/lib').map(name => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`).filter(file => existsSync(file))
  if (library === undefined) throw new Error('libfaketime is not installed')
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

/** A sign-in that ends at a replica. */
async function signInAt ({ url }: Replica): Promise<{ browser: Browser, status: number, code: unknown }> {
  const browser = createBrowser(t, { ca: entra.caPem, user })
  const { pathname, search } = await reachCallback(browser, url)
  const { status, headers } = await browser.visit(url + pathname + search)
  return { browser, status, code: headers['scopegate-error'] }
}

for (const offset of ['+30s', '-30s']) {
  t.test(`C5.15 a clock that is ${offset} off: sign-ins work, and sessions of one serve at the other`, async t => {
    const replica = await startReplica(t, offset)
    for (const [from, to] of [[replica, right], [right, replica]] as const) {
      const { browser, status } = await signInAt(from)
      t.equal(status, 303)
      for (const { url } of [from, to]) t.equal((await browser.visit(`${url}/x`)).status, 200)
    }
  })
}

for (const offset of ['+10m', '-10m', '+1h', '-1h']) {
  t.test(`C5.15, C13.7 a clock that is ${offset} off: a sign-in is refused and the log says why; nobody is signed out`, async t => {
    const { browser } = await signInAt(right)
    t.equal((await browser.visit(`${right.url}/x`)).status, 200)
    const replica = await startReplica(t, offset)
    const refused = await signInAt(replica)
    t.match(refused, { status: 403, code: 'SG_SIGN_IN_REFUSED' })
    await until('the reason in the log', () => /"code":"SG_SIGN_IN_REFUSED","cause":"TypeError clock skew/.test(replica.out()))
    for (const visit of [browser.visit, browser.fetch]) {
      const reply = await visit(`${replica.url}/x`)
      // Behind, tokens look as if they were made in the future; far ahead, as if they were about to end. New ones do not stand
      // up to such a clock: a fault, and no reason to sign in.
      if (offset === '+10m') t.equal(reply.status, 200)
      else if (reply.status !== 200) t.match(reply, { status: 503, headers: { 'scopegate-error': 'SG_PROVIDER_UNAVAILABLE' } })
      t.equal(reply.headers['set-cookie'], undefined)
    }
    t.equal((await browser.fetch(`${replica.url}/.auth/me`)).status, 200)
    t.equal((await browser.visit(`${right.url}/x`)).status, 200, 'nor at the other replica')
    t.equal((await browser.visit(`${replica.url}/.auth/logout`)).status, 303)
  })
}
