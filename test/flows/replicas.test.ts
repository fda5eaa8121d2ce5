/** This file checks that two gateways and a Redis behave as one, and that a Redis that is away signs nobody in or out. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { commandMs } from '../../src/store/deadline.ts'
import { createClock } from '../identity/support/clock.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import { startEntra, startGateway, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { heardMs, type RedisServer, startRedis, until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const scopes = ['api://orders/Orders.Read', 'api://reports/Reports.Read']
const ring = ['k1', 'k2'].map(id => ({ id, key: randomBytes(32).toString('base64') }))

interface World {
  readonly entra: Awaited<ReturnType<typeof startEntra>>
  readonly replicas: readonly [TestGateway, TestGateway]
  /** What browsers see; both replicas answer for it. */
  readonly url: string
  /** The same path at a replica. */
  readonly at: (replica: TestGateway, path: string) => string
  readonly signIn: (user: string) => Promise<Browser>
}

/** @param rings - the key ring of each replica */
async function start (t: Test, redis: RedisServer, rings = [ring, ring]): Promise<World> {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const publicUrl = `http://localhost:${await freePort()}`
  const [one, two] = await Promise.all(rings.map(async keys => await startGateway(t, {
    emulator: entra,
    upstreams: {
      orders: { url: app.origin, scopes: [scopes[0]] },
      reports: { url: app.origin, scopes: [scopes[1]] }
    },
    routes: [
      { path: '/public/*', upstream: 'orders', access: 'public', token: 'none' },
      { path: '/reports/*', upstream: 'reports' },
      { path: '/*', upstream: 'orders' }
    ],
    server: { publicUrl },
    entra: { initialScopes: scopes },
    session: { idleSeconds: 20_000 },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys
  }))) as [TestGateway, TestGateway]
  const at = (replica: TestGateway, path: string): string => `http://localhost:${replica.port}${path}`
  async function signIn (user: string): Promise<Browser> {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    const begun = await browser.visit(at(one, '/.auth/login?post_login_redirect_uri=%2Fx'))
    const answered = await browser.visit(`${begun.location()}&autologin=${user}&autoconsent=1`)
    // Begun at one replica, finished at the other.
    const done = await browser.visit(answered.location().replace(publicUrl, at(two, '')))
    if (done.status !== 303) throw new Error(`signing in ended with ${done.status} ${done.body}`)
    return browser
  }
  return { entra, replicas: [one, two], url: publicUrl, at, signIn }
}

t.test('what one replica begins another finishes, and a sign-out at one is heard by the other', async t => {
  const redis = await startRedis(t)
  const { replicas: [one, two], at, signIn } = await start(t, redis)
  const browser = await signIn('alice@contoso.example')
  for (const replica of [one, two]) {
    const reply = await browser.fetch(at(replica, '/x'))
    t.equal(reply.status, 200)
    t.match(reply.json().headers.authorization, /^Bearer eyJ/)
  }
  const cookie = browser.cookies(at(one, '/')).get('scopegate')!
  t.equal((await browser.visit(at(two, '/.auth/logout'))).status, 303)
  browser.setCookie(at(one, '/'), 'scopegate', cookie)
  await until('the sign-out to be heard of', async () => (await browser.fetch(at(one, '/x'))).status === 401, heardMs)
})

t.test('C5.20 a sign-in that one replica began is finished by another when the first has gone', async t => {
  const redis = await startRedis(t)
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const publicUrl = `http://localhost:${await freePort()}`
  const parts = {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { publicUrl },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: ring
  }
  const browser = createBrowser(t, { ca: entra.caPem })
  let callback = ''
  // The first replica ends with this subtest.
  await t.test('begun', async t => {
    const one = await startGateway(t, parts)
    const begun = await browser.visit(`${one.url}/.auth/login?post_login_redirect_uri=%2Fx`)
    callback = (await browser.visit(`${begun.location()}&autologin=alice@contoso.example&autoconsent=1`)).location()
  })
  await t.rejects(browser.visit(callback), 'nobody listens there')
  const two = await startGateway(t, parts)
  const done = await browser.visit(callback.replace(publicUrl, two.url))
  t.equal(done.status, 303)
  t.equal((await browser.fetch(`${two.url}/x`)).status, 200)
})

t.test('C4.13 signing out everywhere holds at every replica', async t => {
  const redis = await startRedis(t)
  const { replicas: [one, two], at, signIn } = await start(t, redis)
  const [here, there] = [await signIn('alice@contoso.example'), await signIn('alice@contoso.example')]
  for (const browser of [here, there]) for (const replica of [one, two]) t.equal((await browser.fetch(at(replica, '/x'))).status, 200)
  t.equal((await here.visit(at(one, '/.auth/logout?scope=all'))).status, 303)
  for (const replica of [one, two]) {
    await until('the sign-out to be heard of', async () => (await there.fetch(at(replica, '/x'))).status === 401, heardMs)
  }
})

t.test('C6.1 100 parallel requests at token expiry over two replicas cause one token request per account and scope set', async t => {
  const clock = createClock(t)
  const redis = await startRedis(t)
  const { entra, replicas, at, signIn } = await start(t, redis)
  const browser = await signIn('alice@contoso.example')
  for (const replica of replicas) for (const path of ['/x', '/reports/x']) await browser.fetch(at(replica, path))
  const before = entra.requests().length
  clock.advance(6000 * 1000)
  const targets = Array.from({ length: 100 }, (_, i) => at(replicas[i % 2]!, i % 4 < 2 ? '/x' : '/reports/x'))
  const replies = await Promise.all(targets.map(async target => await browser.fetch(target)))
  t.same([...new Set(replies.map(reply => reply.status))], [200])
  const calls = entra.requests().slice(before).filter(call => call.endpoint === 'token')
  t.equal(calls.length, 2)
})

/** Every key and value. */
async function dumpOf (redis: RedisServer): Promise<string> {
  const keys = (await redis.cli('--scan')).split('\n')
  const values = await Promise.all(keys.map(async key => [await redis.cli('get', key), await redis.cli('smembers', key)]))
  return [...keys, ...values.flat()].join('\n')
}

t.test('C4.8 a dump of Redis names nobody and opens nothing', async t => {
  const redis = await startRedis(t)
  const { replicas: [one], at, signIn } = await start(t, redis)
  const browser = await signIn('alice@contoso.example')
  await browser.fetch(at(one, '/x'))
  const cookie = browser.cookies(at(one, '/')).get('scopegate')!
  const text = await dumpOf(redis)
  t.ok(text.split('\n').length >= 6, 'keys and values of a session, an account, an index')
  // Long enough not to come up in so much random base64 by chance: how JWT headers begin, and what base64 cannot spell.
  for (const secret of [/eyJ(?:hbGciOi|0eXAiOi)/, /alice@/i, /Andersson/, /33333333-3333/, new RegExp(cookie.split('.')[1]!), /refresh_token/i]) {
    t.notMatch(text, secret)
  }
})

t.test('C11.9 every record has an end, and no command looks at all of them or drops them', async t => {
  const redis = await startRedis(t)
  const { replicas: [one], at, signIn } = await start(t, redis)
  const browser = await signIn('alice@contoso.example')
  t.equal((await browser.fetch(at(one, '/x'))).status, 200)
  const left = await signIn('bob@contoso.example')
  t.equal((await left.visit(at(one, '/.auth/logout?scope=all'))).status, 303)
  const commands = await redis.cli('info', 'commandstats')
  t.match(commands, /cmdstat_get:/)
  t.notMatch(commands, /cmdstat_(?:keys|scan|flushall|flushdb|randomkey)/)
  const keys = (await redis.cli('--scan')).split('\n')
  t.ok(keys.length >= 3, `${keys.length} records`)
  for (const key of keys) t.ok(Number(await redis.cli('ttl', key)) > 0, key)
})

t.test('a rotation of the key ring loses no session, with replicas a step apart', async t => {
  const redis = await startRedis(t)
  const [k1, k2] = ring
  const before = await start(t, redis, [[k1!, k2!], [k2!, k1!]])
  const browser = await before.signIn('alice@contoso.example')
  for (const replica of before.replicas) t.equal((await browser.fetch(before.at(replica, '/x'))).status, 200)
})

t.test('a Redis that is away is 503 and never a sign-in; public routes go on; the first request after it is back works', async t => {
  const redis = await startRedis(t)
  const { replicas: [one], at, signIn } = await start(t, redis)
  const browser = await signIn('alice@contoso.example')
  t.equal((await browser.visit(at(one, '/x'))).status, 200)
  redis.stop()
  t.equal((await browser.visit(at(one, '/x'))).status, 200, 'this replica has a copy for half a minute')
  one.clock.advance(31)
  const started = performance.now()
  const away = await browser.visit(at(one, '/x'))
  t.equal(away.status, 503)
  t.ok(performance.now() - started < 2 * commandMs, 'after one deadline')
  t.equal(away.headers['scopegate-error'], 'SG_STORE_UNAVAILABLE')
  t.equal(away.headers['set-cookie'], undefined, 'no cookie is cleared')
  t.equal((await browser.fetch(at(one, '/public/x'))).status, 200)
  redis.resume()
  await until('Redis answers again', () => one.isReady())
  t.equal((await browser.visit(at(one, '/x'))).status, 200, 'nobody was signed out')
})

t.test('C11.1 a gateway starts without Redis: public routes are served, the rest waits, and it heals by itself', async t => {
  const redis = await startRedis(t)
  await redis.kill()
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app' }],
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: ring
  })
  const browser = createBrowser(t)
  t.equal((await browser.fetch(`${gateway.url}/public/x`)).status, 200)
  const forged = `k1.${'A'.repeat(43)}.${'A'.repeat(43)}`
  t.equal((await browser.fetch(`${gateway.url}/x`, { headers: { cookie: `scopegate=${forged}` } })).status, 401, 'a forged cookie asks no store')
  t.equal((await browser.visit(`${gateway.url}/.auth/me`)).status, 401)
  await redis.restart()
  t.equal((await browser.fetch(`${gateway.url}/public/x`)).status, 200)
})
