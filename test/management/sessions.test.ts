/** This file ends sessions as an administrator does, over two gateways and their Redis, and as somebody who is none. */
import { randomBytes } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Browser, createBrowser, type Reply } from '../support/browser.ts'
import { startEntra, startGateway, tenant, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { folder } from '../support/process.ts'
import { heardMs, startRedis, until, type RedisServer } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = `${tenant}/33333333-3333-4333-8333-333333333331`
const token = randomBytes(32).toString('base64')
const ring = ['k1', 'k2'].map(id => ({ id, key: randomBytes(32).toString('base64') }))

interface World {
  readonly entra: Awaited<ReturnType<typeof startEntra>>
  readonly one: TestGateway
  readonly two: TestGateway
  /** What browsers see; both gateways answer for it. */
  readonly publicUrl: string
  readonly tokenFile: string
  /** One request to a gateway's management listener, with the token unless told otherwise. */
  ask (method: string, path: string, options?: { at?: TestGateway, authorization?: string }): Promise<Reply>
  signIn (user: string): Promise<Browser>
  /** The status that a script of that browser gets at a gateway. */
  status (browser: Browser, at: TestGateway): Promise<number>
}

/** @param redis - without one, both gateways are one with the memory store */
async function start (t: Test, redis?: RedisServer): Promise<World> {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const tokenFile = join(folder(t), 'token')
  writeFileSync(tokenFile, `${token}\n`)
  const publicUrl = `http://localhost:${await freePort()}`
  const begin = async (): Promise<TestGateway> => await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { publicUrl, management: { port: 0, tokenFile } },
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    session: { idleSeconds: 3600 },
    ...(redis === undefined ? {} : { store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } }, keys: ring })
  })
  const one = await begin()
  const two = redis === undefined ? one : await begin()
  const administrator = createBrowser(t)
  return {
    entra,
    one,
    two,
    publicUrl,
    tokenFile,
    ask: async (method, path, { at = one, authorization = `Bearer ${token}` } = {}) => await administrator.fetch(
      `http://127.0.0.1:${at.managementPort}${path}`, { method, headers: authorization === '' ? {} : { authorization } }
    ),
    async signIn (user) {
      const browser = createBrowser(t, { ca: entra.caPem, user })
      const begun = await browser.visit(`${one.url}/.auth/login`)
      const answered = await browser.visit(`${begun.location()}&autologin=${user}&autoconsent=1`)
      const done = await browser.visit(answered.location().replace(publicUrl, one.url))
      if (done.status !== 303) throw new Error(`signing in ended with ${done.status} ${done.body}`)
      return browser
    },
    status: async (browser, at) => (await browser.fetch(`${at.url}/x`)).status
  }
}

/** Both know the session and its token, from memory. */
async function warm ({ one, two, status }: World, t: Test, browsers: readonly Browser[]): Promise<void> {
  for (const browser of browsers) for (const gateway of [one, two]) t.equal(await status(browser, gateway), 200)
}

t.test('a list names sessions and when they end, and nothing that opens one', async t => {
  const { ask, signIn, one } = await start(t)
  const browsers = [await signIn('alice@contoso.example'), await signIn('alice@contoso.example')]
  await signIn('bob@contoso.example')
  const reply = await ask('GET', `/sessions?user=${alice}`)
  t.equal(reply.status, 200)
  t.equal(reply.headers['cache-control'], 'no-store')
  const { nameInLog, sessions } = reply.json()
  t.match(nameInLog, /^[\w-]{16}$/)
  t.equal(sessions.length, 2, 'alice\'s, and not bob\'s')
  for (const session of sessions) {
    t.same(Object.keys(session), ['id', 'createdAt', 'idleEndsAt', 'absoluteEndsAt'])
    const lasts = (end: 'idleEndsAt' | 'absoluteEndsAt'): number => Date.parse(session[end]) - Date.parse(session.createdAt)
    t.equal(lasts('idleEndsAt'), 3_600_000)
    t.equal(lasts('absoluteEndsAt'), 28_800_000)
  }
  t.ok(sessions[0].createdAt <= sessions[1].createdAt, 'the oldest comes first')
  for (const browser of browsers) {
    const cookie = browser.cookies(one.url).get('scopegate')!
    for (const part of cookie.split('.')) if (part.length > 10) t.notMatch(reply.body, part)
  }
  t.same((await ask('GET', `/sessions?user=${alice.toUpperCase()}`)).json(), reply.json(), 'ids are the same in capitals')
  t.same((await ask('GET', `/sessions?user=${encodeURIComponent(alice)}`)).json(), reply.json(), 'and with the slash escaped')

  one.clock.advance(3601)
  t.same((await ask('GET', `/sessions?user=${alice}`)).json().sessions, [], 'what has ended is not listed')
})

t.test('C4.13 ending all sessions of a user at one replica ends them at the others at once, tokens and all', async t => {
  const redis = await startRedis(t)
  const world = await start(t, redis)
  const { one, two, ask, signIn, status } = world
  const browsers = [await signIn('alice@contoso.example'), await signIn('alice@contoso.example')]
  const bob = await signIn('bob@contoso.example')
  await warm(world, t, [...browsers, bob])
  const records = async (): Promise<number> => (await redis.cli('--scan', '--pattern', '*tc:{*')).match(/tc:/g)?.length ?? 0
  t.equal(await records(), 2, 'of alice and of bob')

  const reply = await ask('DELETE', `/sessions?user=${alice}`)
  t.equal(reply.status, 200)
  t.same(reply.json(), { ended: 2 })
  for (const gateway of [one, two]) {
    for (const browser of browsers) await until('signed out', async () => await status(browser, gateway) === 401, heardMs)
  }
  t.equal(await records(), 1, 'her tokens are gone')
  for (const gateway of [one, two]) t.equal(await status(bob, gateway), 200, 'bob stays')
  t.same((await ask('GET', `/sessions?user=${alice}`, { at: two })).json().sessions, [])
  t.same((await ask('DELETE', `/sessions?user=${alice}`, { at: two })).json(), { ended: 0 })
  t.equal(await status(await signIn('alice@contoso.example'), one), 200, 'she may come back')
})

t.test('ending one session leaves the others and their tokens; the last takes the tokens along', async t => {
  const redis = await startRedis(t)
  const world = await start(t, redis)
  const { one, two, ask, signIn, status } = world
  async function list (): Promise<string[]> {
    return (await ask('GET', `/sessions?user=${alice}`)).json().sessions.map((session: { id: string }) => session.id)
  }
  const tokens = async (): Promise<string> => await redis.cli('--scan', '--pattern', '*tc:{*')
  const first = await signIn('alice@contoso.example')
  const [firstId] = await list()
  const second = await signIn('alice@contoso.example')
  await warm(world, t, [first, second])

  t.same((await ask('DELETE', `/sessions/${encodeURIComponent(firstId!)}`)).json(), { ended: 1 })
  await until('the first is signed out', async () => await status(first, two) === 401, heardMs)
  t.equal(await status(first, one), 401)
  t.equal(await status(second, two), 200)
  t.not(await tokens(), '')
  t.equal((await ask('DELETE', `/sessions/${firstId}`)).status, 404, 'it is gone')

  const [secondId] = await list()
  t.same((await ask('DELETE', `/sessions/${secondId}`, { at: two })).json(), { ended: 1 })
  await until('the second is signed out', async () => await status(second, one) === 401, heardMs)
  t.equal(await tokens(), '')
})

t.test('tokens that outlived their session go with a revocation too', async t => {
  const redis = await startRedis(t)
  const { ask, signIn } = await start(t, redis)
  await signIn('alice@contoso.example')
  const [session] = (await redis.cli('--scan', '--pattern', '*s:*')).split('\n').filter(key => /\bs:/.test(key))
  await redis.cli('del', session!)
  t.same((await ask('DELETE', `/sessions?user=${alice}`)).json(), { ended: 0 })
  t.equal(await redis.cli('--scan', '--pattern', '*tc:{*'), '')
})

t.test('only session records can be deleted, and only by their exact name', async t => {
  const redis = await startRedis(t)
  const { ask, signIn } = await start(t, redis)
  await signIn('alice@contoso.example')
  const dump = async (): Promise<string[]> => (await redis.cli('--scan')).split('\n').sort()
  const before = await dump()
  const keys = before.map(key => key.replace(/^.*?:(?=(?:s|u|tc|sid|sub):)/, ''))
  t.ok(keys.some(key => key.startsWith('tc:')), 'there is a token record to aim at')
  const names = [...keys.filter(key => !key.startsWith('s:')), 's:', `s:${'A'.repeat(43)}`, `s:${'A'.repeat(44)}`, '*', '..', '%00', 'x'.repeat(3000)]
  for (const name of names) t.equal((await ask('DELETE', `/sessions/${encodeURIComponent(name)}`)).status, 404, name.slice(0, 60))
  t.same(await dump(), before)
})

t.test('one user, named in full and once, or nothing happens', async t => {
  const { one, ask, signIn, status } = await start(t)
  const browser = await signIn('alice@contoso.example')
  const [tid, oid] = alice.split('/')
  const queries = [
    '', '?', '?user', '?user=', '?user=/', `?user=${tid}`, `?user=${oid}`, `?user=${tid}/`, `?user=/${oid}`, `?user=${alice}/`, `?user=${alice}%20`, `?user=${alice}%0A`,
    `?user=${tid}%252F${oid}`, `?user=${tid}/*`, '?user=*', '?user=alice@contoso.example', `?user=${alice}&user=${alice}`, `?user=${alice}&all=1`, `?User=${alice}`,
    `?users=${alice}`, `?user[]=${alice}`, `?user=${tid}|${oid}`, `?user={${tid}}/${oid}`, `?tid=${tid}&oid=${oid}`, `?user=${tid!.replaceAll('-', '')}/${oid}`
  ]
  for (const query of queries) {
    for (const method of ['GET', 'DELETE']) {
      const reply = await ask(method, `/sessions${query}`)
      t.equal(reply.status, 400, `${method} ${query}`)
      t.equal(reply.headers['content-type'], 'application/problem+json')
      t.equal(reply.json().code, 'SG_TARGET_INVALID')
    }
  }
  const [{ id }] = (await ask('GET', `/sessions?user=${alice}`)).json().sessions
  t.equal((await ask('DELETE', `/sessions/${id}?user=${alice}`)).status, 400, 'a session or a user')
  for (const method of ['POST', 'PUT', 'PATCH', 'OPTIONS']) t.equal((await ask(method, `/sessions?user=${alice}`)).status, 404, method)
  t.equal((await ask('GET', `/sessions/${id}`)).status, 404)
  t.equal(await status(browser, one), 200)
})

t.test('without the token there is nothing to see or to end, and the log has no token', async t => {
  const { one, ask, signIn, status } = await start(t)
  const browser = await signIn('alice@contoso.example')
  const wrong = [
    '', 'Bearer', 'Bearer ', `Bearer ${token}x`, `Bearer ${token.slice(0, -1)}`, `Bearer ${token.toLowerCase()}`, token, `Basic ${token}`, `Bearer ${token} ${token}`,
    `Bearer ${token},Bearer ${token}`, `Bearer "${token}"`, `Bearer ${Buffer.from(token).toString('base64')}`, `Bearer ${'x'.repeat(4000)}`
  ]
  for (const authorization of wrong) {
    for (const [method, path] of [['GET', `/sessions?user=${alice}`], ['DELETE', `/sessions?user=${alice}`], ['DELETE', '/sessions/x'], ['GET', '/sessions']] as const) {
      const reply = await ask(method, path, { authorization })
      t.equal(reply.status, 401, `${method} ${authorization.slice(0, 20)}`)
      t.equal(reply.headers['www-authenticate'], `Bearer realm="scopegate management"${authorization === '' ? '' : ', error="invalid_token"'}`)
      t.same(Object.keys(reply.json()), ['type', 'title', 'status', 'code', 'requestId'])
    }
  }
  t.equal((await ask('GET', `/sessions?user=${alice}`, { authorization: `bearer ${token}` })).status, 200, 'the scheme is the same in any case')
  t.equal(await status(browser, one), 200)
  t.match(one.logged(), '"event":"management-refused","audit":true')
  t.notMatch(one.logged(), token.slice(0, 20))
})

t.test('a token that is replaced is the new one at once; half a file or none changes nothing', async t => {
  const { one, ask, tokenFile } = await start(t)
  const status = async (value: string): Promise<number> => (await ask('GET', `/sessions?user=${alice}`, { authorization: `Bearer ${value}` })).status
  const next = randomBytes(32).toString('base64url')
  writeFileSync(`${tokenFile}.new`, next)
  renameSync(`${tokenFile}.new`, tokenFile)
  t.equal(await status(token), 401)
  t.equal(await status(next), 200)
  for (const broken of ['', next.slice(0, 31), `${next}\n${next}`, 'change-me-change-me-change-me-change-me']) {
    writeFileSync(tokenFile, broken)
    t.equal(await status(next), 200)
    if (broken !== '') t.equal(await status(broken.replaceAll('\n', '')), 401)
  }
  rmSync(tokenFile)
  t.equal(await status(next), 200)
  t.equal(one.logged().split('the management token cannot be read').length, 2, 'said once')
  writeFileSync(tokenFile, token)
  t.equal(await status(token), 200)
  t.equal(await status(next), 401)
})

t.test('without a token file there is no such endpoint', async t => {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app' }], server: { management: { port: 0 } }
  })
  const browser = createBrowser(t)
  for (const [method, path] of [['GET', `/sessions?user=${alice}`], ['DELETE', `/sessions?user=${alice}`], ['DELETE', '/sessions/x']] as const) {
    const reply = await browser.fetch(`http://127.0.0.1:${gateway.managementPort}${path}`, { method, headers: { authorization: `Bearer ${token}` } })
    t.equal(reply.status, 404)
  }
})

t.test('a store that does not answer is 503, never an empty list or a revocation', async t => {
  const redis = await startRedis(t)
  const { ask, signIn } = await start(t, redis)
  await signIn('alice@contoso.example')
  const [{ id }] = (await ask('GET', `/sessions?user=${alice}`)).json().sessions
  redis.stop()
  for (const [method, path] of [['GET', `/sessions?user=${alice}`], ['DELETE', `/sessions?user=${alice}`], ['DELETE', `/sessions/${id}`]] as const) {
    const reply = await ask(method, path)
    t.equal(reply.status, 503)
    t.equal(reply.json().code, 'SG_STORE_UNAVAILABLE')
  }
  redis.resume()
  await until('Redis answers again', async () => (await ask('GET', `/sessions?user=${alice}`)).status === 200)
})

t.test('Entra that is away keeps nobody from ending sessions', async t => {
  const redis = await startRedis(t)
  const { one, publicUrl, tokenFile, ask, signIn, status } = await start(t, redis)
  const browser = await signIn('alice@contoso.example')
  const app = await startUpstream(t)
  const lonely = await startGateway(t, {
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { publicUrl, management: { port: 0, tokenFile } },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: ring
  })
  t.notOk(lonely.isReady(), 'this one has never heard of Entra')
  t.same((await ask('DELETE', `/sessions?user=${alice}`, { at: lonely })).json(), { ended: 1 })
  await until('signed out', async () => await status(browser, one) === 401, heardMs)
})

t.test('the log says what was done, to a user without a name', async t => {
  const { one, ask, signIn } = await start(t)
  await signIn('alice@contoso.example')
  const { nameInLog, sessions: [{ id }] } = (await ask('GET', `/sessions?user=${alice}`)).json()
  await ask('DELETE', `/sessions/${id}`)
  await ask('DELETE', `/sessions?user=${alice}`)
  const lines = one.logged().split('\n').filter(line => /"event":"sessions-\w+","audit":true/.test(line)).map(line => JSON.parse(line))
  t.match(lines, [
    { event: 'sessions-listed', user: nameInLog }, { event: 'sessions-revoked', user: nameInLog, ended: 1 }, { event: 'sessions-revoked', user: nameInLog, ended: 0 }
  ])
  for (const secret of [...alice.split('/'), id, token]) t.notMatch(lines.map(line => JSON.stringify(line)).join(), secret)
})
