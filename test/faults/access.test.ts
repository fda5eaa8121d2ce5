/**
 * This file closes Redis to the gateway: another password, another user's rights, TLS on one side only (security.md, C11.6);
 * and looks at what is said about a Redis that throws sessions away (C11.7).
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { createAuthority } from '../support/certificates.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { folder } from '../support/process.ts'
import { startRedis, until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { startFaultWorld } from './support.ts'

const key = randomBytes(32).toString('base64')
const canary = 'pass-canary-4711'

async function start (t: Test, redis: object): Promise<TestGateway> {
  const app = await startUpstream(t)
  return await startGateway(t, {
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app' }],
    store: { type: 'redis', redis },
    keys: [{ id: 'k1', key }]
  })
}

const linesOf = (gateway: TestGateway, event: string): string[] =>
  gateway.logged().split('\n').filter(line => line.includes(`"event":"${event}"`))

const authority = createAuthority()
const open = await startRedis(t)
const locked = await startRedis(t, { password: 'right' })
const secret = await startRedis(t, { authority })

for (const [what, redis] of Object.entries<object>({
  'a wrong password': { url: `redis://127.0.0.1:${locked.port}`, password: canary },
  'a user that does not exist': { url: `redis://${canary}:${canary}@127.0.0.1:${locked.port}` },
  'no password': { url: `redis://127.0.0.1:${locked.port}` },
  'TLS where there is none': { url: `rediss://127.0.0.1:${open.port}`, password: canary },
  'no TLS where it is wanted': { url: `redis://127.0.0.1:${secret.port}`, password: canary },
  'a certificate that nobody vouches for': { url: `rediss://127.0.0.1:${secret.port}`, password: canary }
})) {
  t.test(`C11.6 ${what}: public routes go on, sign-ins are refused, and the log has one line without the password`, async t => {
    const gateway = await start(t, redis)
    const browser = createBrowser(t)
    await until('the trouble to be known', () => linesOf(gateway, 'store.down').length > 0)
    t.equal((await browser.fetch(`${gateway.url}/public/x`)).status, 200)
    for (let i = 0; i < 5; i++) {
      t.match(await browser.visit(`${gateway.url}/.auth/login`), { status: 503, headers: { 'scopegate-error': 'SG_STORE_UNAVAILABLE' } })
    }
    t.notOk(gateway.isReady())
    t.equal(linesOf(gateway, 'store.down').filter(line => line.includes('Redis does not')).length, 1)
    t.notOk(gateway.logged().includes(canary))
  })
}

t.test('C11.6 a password file that is put right is enough: no restart', async t => {
  const passwordFile = join(folder(t), 'password')
  writeFileSync(passwordFile, 'wrong')
  const gateway = await start(t, { url: `redis://127.0.0.1:${locked.port}`, passwordFile })
  await until('the trouble to be known', () => linesOf(gateway, 'store.down').length > 0)
  writeFileSync(passwordFile, 'right\n')
  await until('it is over', () => linesOf(gateway, 'store.up').length > 0)
})

t.test('C11.7 a Redis that evicts: one warning, and whoever loses a session or its tokens signs in again', async t => {
  const server = await startRedis(t, { config: ['maxmemory-policy allkeys-lru'] })
  const { replicas: [one, two], at, signIn } = await startFaultWorld(t, { redis: { url: `redis://127.0.0.1:${server.port}` } })
  for (const replica of [one, two]) {
    await until('a warning', () => linesOf(replica, 'store.evicts').length > 0)
    t.match(linesOf(replica, 'store.evicts'), [/"policy":"allkeys-lru"/])
  }
  for (const family of ['s:*', 'tc:*']) {
    const browser = await signIn()
    const keys = (await server.cli('--scan', '--pattern', `scopegate:${family}`)).split('\n')
    await server.cli('del', ...keys)
    const navigation = await browser.visit(at(two, '/x'))
    t.equal(navigation.status, 302, 'sent to sign in')
    t.match(navigation.location(), /\/\.auth\/login/)
    t.equal((await browser.fetch(at(two, '/x'))).status, 401)
    t.equal((await (await signIn()).fetch(at(two, '/x'))).status, 200)
  }
  await server.cli('client', 'kill', 'type', 'normal')
  await until('another connection', () => linesOf(one, 'store.up').length > 0)
  t.equal(linesOf(one, 'store.evicts').length, 1, 'said once')
})

t.test('C11.7 no warning for a Redis that evicts nothing, nor where the user may not ask', async t => {
  await open.cli('acl', 'setuser', 'plain', 'on', '>plain-4711', '~*', '&*', '+@all', '-info', '-config')
  await open.cli('config', 'set', 'maxmemory-policy', 'noeviction')
  const careful = await start(t, { url: `redis://127.0.0.1:${open.port}` })
  const blind = await start(t, { url: `redis://127.0.0.1:${open.port}`, username: 'plain', password: 'plain-4711' })
  const browser = createBrowser(t)
  for (const gateway of [careful, blind]) {
    await until('the store answers', async () => (await browser.visit(`${gateway.url}/.auth/login`)).headers['scopegate-error'] === 'SG_PROVIDER_UNAVAILABLE')
    t.same(linesOf(gateway, 'store.evicts'), [])
    t.same(linesOf(gateway, 'store.down'), [])
  }
})
