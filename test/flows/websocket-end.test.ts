/**
 * This file checks what becomes of open WebSockets when something ends that is not the page: the process, its config, the
 * session at another replica.
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { configOf, type GatewayParts, startEntra, startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { folder, serving } from '../support/process.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { startRedis, until } from '../support/redis.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

t.test('C7.10, X17 at SIGTERM WebSockets are closed with 1001, other streams cut, and the process ends within its drain time', async t => {
  const app = await startEchoUpstream(t)
  const events = await startRawUpstream(t, socket => { socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n') })
  const port = await freePort()
  const file = join(folder(t), 'gateway.yaml')
  const parts = {
    upstreams: { app: { url: app.origin }, events: { url: events.origin } },
    routes: [
      { path: '/ws/*', upstream: 'app', access: 'public', websocket: true },
      { path: '/events/*', upstream: 'events', access: 'public', streaming: true }
    ],
    server: { limits: { drainDelaySeconds: 1, drainSeconds: 4 } }
  }
  writeFileSync(file, JSON.stringify(configOf(parts, port)))
  const { child, ended } = await serving(t, file)
  const clients = await Promise.all([1, 2, 3].map(async () => await openWebSocket(t, `http://localhost:${port}/ws/x`)))
  const stream = await connectRaw(t, port)
  stream.send(rawRequest({ target: '/events/x' }))
  await until('an event', () => stream.rest().includes('hi'))
  const started = performance.now()
  child.kill('SIGTERM')
  t.same(await Promise.all(clients.map(async ({ closed }) => await closed)), [1001, 1001, 1001])
  await until('the application knows, too', () => app.closed.length === 3)
  t.same(app.closed, [1001, 1001, 1001])
  t.ok(await stream.isClosedWithin(30_000))
  t.equal((await stream.answer({ deadlineMs: 10 }))?.isComplete, false)
  t.equal((await ended).code, 0)
  t.ok(performance.now() - started < 30_000)
})

t.test('another config closes WebSockets with 1012: a page that connects again meets the new rules', async t => {
  const app = await startEchoUpstream(t)
  const port = await freePort()
  const file = join(folder(t), 'gateway.yaml')
  const write = (more: object): void => {
    const route = { path: '/ws/*', upstream: 'app', access: 'public', websocket: true, ...more }
    writeFileSync(file, JSON.stringify(configOf({ upstreams: { app: { url: app.origin } }, routes: [route] }, port)))
  }
  write({})
  await serving(t, file)
  const url = `http://localhost:${port}/ws/x`
  const page = await openWebSocket(t, url)
  write({ access: 'authenticated' })
  t.equal(await page.closed, 1012)
  await t.rejects(openWebSocket(t, url), { message: 'refused with 401 SG_SIGN_IN_REQUIRED' })
})

t.test('C7.5 a sign-out at one replica ends the WebSockets at another', async t => {
  const redis = await startRedis(t)
  const entra = await startEntra(t)
  const app = await startEchoUpstream(t)
  const publicUrl = `http://localhost:${await freePort()}`
  const parts: GatewayParts = {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app', websocket: true }],
    server: { publicUrl },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  }
  const [one, two] = [await startGateway(t, parts), await startGateway(t, parts)]
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  const begun = await browser.visit(`${one.url}/.auth/login`)
  const answered = await browser.visit(`${begun.location()}&autologin=alice%40contoso.example&autoconsent=1`)
  await browser.visit(answered.location().replace(publicUrl, one.url))
  const cookie = `scopegate=${browser.cookies(one.url).get('scopegate')}`
  const there = await openWebSocket(t, `${two.url}/x`, { cookie, origin: publicUrl })
  const heard = await openWebSocket(t, `${one.url}/x`, { cookie, origin: publicUrl })
  const started = performance.now()
  await browser.visit(`${one.url}/.auth/logout`)
  t.equal(await heard.closed, 1008)
  t.equal(await there.closed, 1008)
  t.ok(performance.now() - started < 8000, 'heard of, not found out')
})

t.test('C7.5 an end that a replica did not hear of is found out within a minute', async t => {
  const redis = await startRedis(t)
  const entra = await startEntra(t)
  const app = await startEchoUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app', websocket: true }],
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await browser.go(`${gateway.url}/`)
  const cookie = `scopegate=${browser.cookies(gateway.url).get('scopegate')}`
  const { closed } = await openWebSocket(t, `${gateway.url}/x`, { cookie })
  await redis.cli('flushall')
  // The copy in this process is believed for half a minute; that passes by the clock.
  gateway.clock.advance(31)
  t.equal(await closed, 1008)
})
