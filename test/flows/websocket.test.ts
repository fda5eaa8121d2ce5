/**
 * This file checks what a page and an application see of a WebSocket through the gateway, from the sign-in to the end.
 */
import t from 'tap'
import { userToken } from '../support/api-client.ts'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { until } from '../support/redis.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

const entra = await startEntra(t)
const app = await startEchoUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: `${app.origin}/base` }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [
    { path: '/ws/*', upstream: 'app', websocket: true, identityHeaders: 'standard', rewrite: '/sockets' },
    { path: '/orders/*', upstream: 'orders', websocket: true },
    { path: '/admin/*', upstream: 'app', websocket: true, allow: { roles: ['Nobody'] } },
    { path: '/open/*', upstream: 'app', websocket: true, access: 'public' },
    { path: '/*', upstream: 'app' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { cookie, browser } = await signIn(t, { url: gateway.url, entra })
const last = () => app.seen.at(-1)!

t.test('messages of every kind and size come back unaltered', async t => {
  const { socket, message } = await openWebSocket(t, `${gateway.url}/ws/echo?room=a%20b`, { cookie })
  for (const payload of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(126, 1), Buffer.alloc(65_536, 2), Buffer.alloc(1_048_576, 3)]) {
    socket.send(payload)
    t.ok((await message()).equals(payload), `${payload.length} bytes`)
  }
  for (let i = 0; i < 300; i++) socket.send(`message ${i}`)
  for (let i = 0; i < 300; i++) t.equal((await message()).toString(), `message ${i}`)
  t.equal(last().url, '/base/sockets/echo?room=a%20b', 'rewritten like any request')
})

t.test('the application knows the user, and gets the token; never the gateway\'s cookie', async t => {
  await openWebSocket(t, `${gateway.url}/ws/x`, { cookie: `a=1; ${cookie}` })
  t.equal(last().headers.cookie, 'a=1')
  t.equal(last().headers.origin, gateway.url)
  t.ok(last().headers['x-forwarded-user'])
  t.equal(last().headers['x-forwarded-host'], new URL(gateway.url).host)
  t.equal(last().headers.authorization, undefined)
  t.match(last().headers.via, /scopegate/)
  await openWebSocket(t, `${gateway.url}/orders/x`, { cookie })
  t.match(last().headers.authorization, /^Bearer eyJ/)
})

t.test('an API client opens one without an origin, with its token alone', async t => {
  const token = await userToken(entra)
  const { socket, message } = await openWebSocket(t, `${gateway.url}/ws/x`, { token, origin: null })
  socket.send('hello')
  t.equal((await message()).toString(), 'hello')
  t.equal(last().headers.authorization, undefined)
  t.ok(last().headers['x-forwarded-user'])
  await t.rejects(openWebSocket(t, `${gateway.url}/ws/x`, { token: 'a.b.c', origin: null }), { message: 'refused with 401 SG_TOKEN_INVALID' })
  await t.rejects(openWebSocket(t, `${gateway.url}/ws/x`, { token, cookie, origin: 'https://evil.example' }), { message: 'refused with 403 SG_ORIGIN_REFUSED' })
})

t.test('a subprotocol is agreed on by page and application', async t => {
  const { socket } = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie, protocols: ['other', 'superchat', 'chat'] })
  t.equal(socket.protocol, 'superchat')
  t.equal(socket.extensions, '', 'and no extension')
  t.equal(last().headers['sec-websocket-extensions'], undefined, 'the page\'s offer is not passed on')
})

t.test('closing is agreed on by page and application, with their codes, and leaves nothing open', async t => {
  const before = app.connections()
  const page = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie })
  page.socket.close(4001, 'bye')
  t.equal(await page.closed, 4001)
  t.ok(await eventually(() => app.closed.at(-1) === 4001, 5000))
  const other = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie })
  app.sockets.at(-1)!.close(4002)
  t.equal(await other.closed, 4002)
  const gone = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie })
  gone.socket.terminate()
  t.ok(await eventually(() => app.closed.at(-1) === 1006, 5000), 'a page that vanishes is gone for the application')
  t.ok(await eventually(() => app.connections() <= before, 5000))
})

t.test('who may not is answered, and the application not asked', async t => {
  const before = app.seen.length
  await t.rejects(openWebSocket(t, `${gateway.url}/ws/x`), { message: 'refused with 401 SG_SIGN_IN_REQUIRED' })
  await t.rejects(openWebSocket(t, `${gateway.url}/admin/x`, { cookie }), { message: 'refused with 403 SG_ACCESS_DENIED' })
  await t.rejects(openWebSocket(t, `${gateway.url}/ws/x`, { cookie, origin: 'http://evil.example' }), { message: 'refused with 403 SG_ORIGIN_REFUSED' })
  await t.rejects(openWebSocket(t, `${gateway.url}/x`, { cookie }), { message: 'refused with 400 SG_TARGET_INVALID' })
  await t.rejects(openWebSocket(t, `${gateway.url}/.auth/me`, {}), { message: 'refused with 401' })
  t.equal(app.seen.length, before)
})

t.test('a public route needs no session, but a page of ours', async t => {
  const { socket, message } = await openWebSocket(t, `${gateway.url}/open/x`)
  socket.send('x')
  t.equal((await message()).toString(), 'x')
  await t.rejects(openWebSocket(t, `${gateway.url}/open/x`, { origin: null }), { message: 'refused with 403 SG_ORIGIN_REFUSED' })
})

t.test('plain requests are served on the same route', async t => {
  const reply = await browser.fetch(`${gateway.url}/ws/x`)
  t.equal(reply.status, 200)
  t.equal(reply.body, 'plain')
})

t.test('opening and closing have a line in the log each, without query', async t => {
  const { socket, closed } = await openWebSocket(t, `${gateway.url}/ws/logged?secret=1`, { cookie })
  socket.close()
  await closed
  t.ok(await eventually(() => /"path":"\/ws\/logged","route":"\/ws\/\*",.*"status":101/.test(gateway.logged()), 5000))
  t.ok(await eventually(() => /"event":"websocket-closed".*"route":"\/ws\/\*","reason":"closed"/.test(gateway.logged()), 5000))
  t.notMatch(gateway.logged(), /secret=1/)
})

t.test('a session has at most 20 at a time', async t => {
  const own = await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example' })
  const clients = []
  for (let i = 0; i < 20; i++) clients.push(await openWebSocket(t, `${gateway.url}/ws/x`, { cookie: own.cookie }))
  await t.rejects(openWebSocket(t, `${gateway.url}/ws/x`, { cookie: own.cookie }), { message: 'refused with 503 SG_OVERLOADED' })
  await openWebSocket(t, `${gateway.url}/ws/x`, { cookie })
  clients[0]!.socket.terminate()
  await until('room for another', async () => await openWebSocket(t, `${gateway.url}/ws/x`, { cookie: own.cookie }).then(() => true, () => false))
})

t.test('C7.5 a sign-out ends the session\'s WebSockets at once, with 1008, and nobody else\'s', async t => {
  const carol = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await carol.go(`${gateway.url}/`)
  const own = `scopegate=${carol.cookies(gateway.url).get('scopegate')}`
  const mine = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie: own })
  const others = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie })
  const started = performance.now()
  await carol.visit(`${gateway.url}/.auth/logout`)
  t.equal(await mine.closed, 1008)
  t.ok(performance.now() - started < 5000)
  others.socket.send('still here')
  t.equal((await others.message()).toString(), 'still here')
})

t.test('C7.5 the end of the idle time closes within a minute: what goes through a WebSocket is no use of the session', async t => {
  const { socket, closed, message } = await openWebSocket(t, `${gateway.url}/ws/x`, { cookie })
  gateway.clock.advance(3500)
  socket.send('busy')
  await message()
  gateway.clock.advance(200)
  t.equal(await closed, 1008)
})
