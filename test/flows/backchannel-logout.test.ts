/** This file follows a sign-out that the provider tells directly: which sessions end, on all replicas, once. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { LogoutTokenOrder } from '../../emulator/logout/back-channel.ts'
import { type Browser, createBrowser, type VisitOptions } from '../support/browser.ts'
import { type GatewayParts, startEntra, startGateway, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { connectRaw } from '../support/raw.ts'
import { startRedis, until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = 'alice@contoso.example'
const bob = 'bob@contoso.example'
const path = '/.auth/backchannel-logout'
const formType = 'application/x-www-form-urlencoded'

async function start (t: Test, parts: Partial<GatewayParts> = {}, count = 1) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const replicas = await Promise.all(Array.from({ length: count }, async () => await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    ...parts
  })))
  const [first] = replicas as [TestGateway, ...TestGateway[]]
  const at = (replica: TestGateway, path: string): string => `http://localhost:${replica.port}${path}`
  const provider = createBrowser(t)
  /** One who calls directly: no cookies, no fields of a browser. */
  const tell = async (token: string, options: VisitOptions = {}) => await provider.fetch(at(first, path), {
    method: 'POST', headers: { 'content-type': formType }, body: String(new URLSearchParams({ logout_token: token })), ...options
  })
  async function signIn (user = alice): Promise<Browser> {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    const begun = await browser.visit(at(first, '/.auth/login?post_login_redirect_uri=%2F'))
    const answered = await browser.visit(`${begun.location()}&autologin=${user}&autoconsent=1`)
    const { pathname, search } = new URL(answered.location())
    const done = await browser.visit(at(first, pathname + search))
    if (done.status !== 303) throw new Error(`signing in ended with ${done.status} ${done.body}`)
    return browser
  }
  const statuses = async (browsers: readonly Browser[], replica: TestGateway = first): Promise<number[]> =>
    await Promise.all(browsers.map(async browser => (await browser.fetch(at(replica, '/'))).status))
  const tokenOf = async (order: Partial<LogoutTokenOrder> = {}): Promise<string> =>
    await entra.admin.logoutToken({ user: alice, client: 'Gateway', ...order })
  return { entra, app, replicas, first, at, tell, signIn, statuses, tokenOf }
}

/** The session at the provider. */
async function sidOf (browser: Browser, url: string): Promise<string> {
  const [me] = (await browser.fetch(`${url}/.auth/me`)).json()
  return me.user_claims.find((claim: { typ: string }) => claim.typ === 'sid').val
}

t.test('a user who signed out at the provider is out on every replica, in every browser; another user is not', async t => {
  const redis = await startRedis(t)
  const { entra, replicas, first, at, signIn, statuses } = await start(t, {
    server: { publicUrl: `http://localhost:${await freePort()}` },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  }, 2)
  const browsers = [await signIn(), await signIn(), await signIn(bob)]
  for (const replica of replicas) t.same(await statuses(browsers, replica), [200, 200, 200])
  t.same((await redis.cli('--scan', '--pattern', '*tc:*')).split('\n').length, 2)

  const answer = await entra.admin.logout({ user: alice, client: 'Gateway', url: at(first, path) })
  t.same(answer, { status: 200, body: '' })
  for (const replica of replicas) {
    await until('this replica has heard of it', async () => (await statuses(browsers, replica)).join() === '401,401,200')
  }
  t.same((await redis.cli('--scan', '--pattern', '*tc:*')).split('\n').length, 1, 'the account\'s tokens went with its last session')
  t.same(await statuses([await signIn()]), [200])
})

t.test('with a sid, sessions of that session at the provider end, and the user\'s others go on with their tokens', async t => {
  const { entra, first, tell, signIn, statuses, tokenOf } = await start(t)
  const [here, there] = [await signIn(), await signIn()]
  const sid = await sidOf(here, first.url)
  t.equal((await tell(await tokenOf({ sid }))).status, 200)
  t.same(await statuses([here, there]), [401, 200])
  const before = entra.requests().length
  t.same(await statuses([there]), [200])
  t.equal(entra.requests().length, before, 'nothing was asked for again')
})

t.test('mod_auth_openidc-2026-08-11a logouts that come out of order all hit', async t => {
  const { first, tell, signIn, statuses, tokenOf } = await start(t)
  const browsers = [await signIn(), await signIn(), await signIn()]
  const sids = await Promise.all(browsers.map(async browser => await sidOf(browser, first.url)))
  for (const i of [1, 2, 0]) {
    t.equal((await tell(await tokenOf({ sid: sids[i]! }))).status, 200)
    t.same(await statuses([browsers[i]!]), [401])
  }
})

t.test('mod_auth_openidc-2026-08-11a several sessions that share a session at the provider end together', async t => {
  const { first, at, tell, signIn, statuses, tokenOf } = await start(t)
  const browser = await signIn()
  const sid = await sidOf(browser, first.url)
  const old = browser.cookies(first.url).get('scopegate')!
  // The same browser at the provider, another one here: a private window does not do that, a lost cookie does.
  browser.cookies(first.url).delete('scopegate')
  await browser.go(at(first, '/'))
  t.equal(await sidOf(browser, first.url), sid)
  const other = createBrowser(t)
  other.setCookie(first.url, 'scopegate', old)
  t.same(await statuses([browser, other]), [200, 200])
  t.equal((await tell(await tokenOf({ sid, forgery: { claims: { sub: null } } }))).status, 200)
  t.same(await statuses([browser, other]), [401, 401])
})

t.test('a sid counts for its own issuer and user only, and one that nobody has is fine', async t => {
  const { first, tell, signIn, statuses, tokenOf } = await start(t)
  const browser = await signIn()
  const sid = await sidOf(browser, first.url)
  for (const order of [{ user: bob, sid }, { user: bob }, { sid: 'nobody' }, { sid: 'nobody', forgery: { claims: { sub: null } } }]) {
    t.equal((await tell(await tokenOf(order))).status, 200)
  }
  t.same(await statuses([browser]), [200])
})

t.test('mod_auth_openidc-2026-08-07d a token counts once: again it is refused, and whoever has signed in since stays', async t => {
  const { tell, signIn, statuses, tokenOf } = await start(t)
  await signIn()
  const token = await tokenOf()
  const replies = await Promise.all(Array.from({ length: 5 }, async () => await tell(token)))
  t.same(replies.map(({ status }) => status).sort(), [200, 400, 400, 400, 400])
  const browser = await signIn()
  t.equal((await tell(token)).status, 400)
  t.same(await statuses([browser]), [200])
  t.equal((await tell(await tokenOf())).status, 200, 'another one of the same user')
  t.same(await statuses([browser]), [401])
})

t.test('a token that is refused says so as the specification has it, ends nothing, and the log says why', async t => {
  const { first, tell, signIn, statuses, tokenOf } = await start(t)
  const browser = await signIn()
  const forgeries: LogoutTokenOrder['forgery'][] = [
    { key: 'unknown' }, { key: 'none' }, { claims: { aud: 'x' } }, { claims: { iss: 'https://evil.example' } }, { claims: { jti: null } },
    { claims: { nonce: 'n' } }, { claims: { events: null } }, { claims: { iat: null } }, { claims: { exp: 1 } }, { header: { typ: 'JWT' } },
    { claims: { sub: null } }
  ]
  for (const forgery of forgeries) {
    const reply = await tell(await tokenOf({ forgery }))
    t.equal(reply.status, 400, JSON.stringify(forgery))
    t.same(reply.json(), { error: 'invalid_request' })
    t.match(reply.headers, {
      'cache-control': 'no-store', 'content-type': /^application\/json/, 'scopegate-error': 'SG_TOKEN_INVALID', 'set-cookie': undefined
    })
  }
  t.match(first.logged(), /"event":"logout-token-refused","audit":true,"why":"jti is missing"/)
  t.same(await statuses([browser]), [200])
})

t.test('an answer may not be kept, sets no cookie and asks nobody where the request came from', async t => {
  const { first, tell, signIn, statuses, tokenOf } = await start(t)
  const browser = await signIn()
  const cookie = `scopegate=${browser.cookies(first.url).get('scopegate')}`
  const body = String(new URLSearchParams({ logout_token: await tokenOf(), more: '1' }))
  const reply = await tell('', { body, headers: { 'content-type': formType, 'sec-fetch-site': 'cross-site', origin: 'https://idp.example', cookie } })
  t.equal(reply.status, 200)
  t.equal(reply.body, '')
  t.match(reply.headers, { 'cache-control': 'no-store', scopegate: '1', 'set-cookie': undefined })
  t.same(await statuses([browser]), [401])
})

t.test('CVE-2025-32442, CVE-2026-25223 only a small form of the one media type is read, with each field once', async t => {
  const { first, tell, signIn, statuses, tokenOf } = await start(t)
  const browser = await signIn()
  const token = await tokenOf()
  const types = [
    '', 'text/plain', 'application/json', 'multipart/form-data; boundary=x', `${formType}x`, `x${formType}`, `${formType},text/plain`, `${formType}; charset=utf-16`,
    `${formType}; charset=utf-8; charset=utf-7`, `${formType};`, `${formType}\t;a=b`, `${formType} a`, 'application/x-www-form-urlencoded+json'
  ]
  for (const type of types) {
    const reply = await tell(token, { headers: type === '' ? {} : { 'content-type': type } })
    t.equal(reply.status, 415, type)
    t.equal(reply.headers['scopegate-error'], 'SG_TARGET_INVALID')
  }
  for (const body of [`logout_token=${token}&logout_token=${token}`, `logout_token=${token}&logout%5Ftoken=x`, `a=1&a=2&logout_token=${token}`, '', 'logout_token']) {
    t.equal((await tell('', { body })).status, 400, body.slice(0, 30))
  }
  t.equal((await tell('x'.repeat(20_000))).status, 413)
  t.equal((await tell('x'.repeat(2_000_000)).catch(() => ({ status: 413 }))).status, 413, 'or cut off: the answer comes before the body')
  const chunked = await connectRaw(t, first.port)
  chunked.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${formType}\r\nTransfer-Encoding: chunked\r\n\r\n` +
    `5000\r\n${'x'.repeat(0x5000)}\r\n`)
  t.equal((await chunked.answer())?.status, 413, 'before the end of the body')
  const patient = await connectRaw(t, first.port)
  patient.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${formType}\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n`)
  t.equal((await patient.answer())?.status, 100)
  patient.send('a=b')
  t.equal((await patient.answer())?.status, 400)
  const gone = await connectRaw(t, first.port)
  gone.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${formType}\r\nContent-Length: 30\r\n\r\nlogout_token=`)
  gone.socket.destroy()
  t.same(await statuses([browser]), [200], 'none of these ended anything')

  t.equal((await tell(token, { method: 'GET', body: undefined })).status, 404)
  t.equal((await tell(token, { headers: { 'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8' } })).status, 200, 'as Java\'s clients write it')
  t.same(await statuses([browser]), [401])
  t.notMatch(first.logged(), /unexpected error/, 'a body that breaks off is no fault of ours')
})

t.test('with a store that is away the provider is told to try again, and the same token then counts', async t => {
  const redis = await startRedis(t)
  const { first, tell, signIn, statuses, tokenOf } = await start(t, {
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } }, keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  })
  const browser = await signIn()
  const token = await tokenOf()
  redis.stop()
  const away = await tell(token)
  t.equal(away.status, 503)
  t.equal(away.headers['scopegate-error'], 'SG_STORE_UNAVAILABLE')
  redis.resume()
  await until('Redis answers again', () => first.isReady())
  t.equal((await tell(token)).status, 200)
  t.same(await statuses([browser]), [401])
})
