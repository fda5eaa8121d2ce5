/**
 * X12: an upgrade that nobody wanted was never answered, and its socket stayed open. On a route without WebSockets one is
 * refused and its connection closed; any other protocol is left aside, and the request is one like any other: answered,
 * guarded, and the field goes no further.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
let upgrades = 0
const eager = createServer((_request, response) => { response.end('plain') })
eager.on('upgrade', (_request, socket) => {
  upgrades++
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
})
await new Promise<void>(resolve => { eager.listen(0, '127.0.0.1', resolve) })
t.teardown(async () => {
  eager.closeAllConnections()
  await new Promise(resolve => { eager.close(resolve) })
})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, eager: { url: `http://127.0.0.1:${(eager.address() as AddressInfo).port}` } },
  routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/eager/*', upstream: 'eager', access: 'public' }, { path: '/*', upstream: 'app' }]
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })

const webSocket = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='], ['Origin', 'http://evil.example']] as const
const offers: Record<string, ReadonlyArray<readonly [string, string]>> = {
  websocket: webSocket,
  h2c: [['Connection', 'Upgrade, HTTP2-Settings'], ['Upgrade', 'h2c'], ['HTTP2-Settings', 'AAMAAABkAAQAAP__']],
  several: [['Connection', 'upgrade'], ['Upgrade', 'websocket, h2c']],
  'without Connection': [['Upgrade', 'websocket']],
  'without a protocol': [['Connection', 'upgrade']],
  unknown: [['Connection', 'keep-alive, Upgrade'], ['Upgrade', 'TLS/1.0']]
}

t.test('X12 a WebSocket on a route without them is refused within a second, and leaves no connection', async t => {
  const before = app.seen.length
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ target: '/public/x', fields: webSocket }) + rawRequest({ target: '/public/next' }))
  t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, 400)
  t.ok(await connection.isClosedWithin(5000))
  t.equal(app.seen.length, before, 'what followed went nowhere')
})

for (const [name, fields] of Object.entries(offers).filter(([, fields]) => fields !== webSocket)) {
  t.test(`X12 an upgrade (${name}) is answered as a plain request, and what follows is not swallowed`, async t => {
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target: '/public/x', fields }) + rawRequest({ target: '/public/next' }))
    const answer = await connection.answer({ deadlineMs: 5000 })
    t.equal(answer?.status, 200)
    for (const field of ['upgrade', 'http2-settings']) t.notOk(Object.hasOwn(answer?.json().headers ?? {}, field), `${field} is not forwarded`)
    t.notMatch(answer?.json().headers.connection ?? '', /upgrade/i)
    const next = await connection.answer({ deadlineMs: 5000 })
    if (next === undefined) t.ok(await connection.isClosedWithin(100), 'the next request is answered, or the connection closed')
    else t.equal(next.json().url, '/public/next')
  })
}

for (const [name, fields] of Object.entries(offers)) {
  t.test(`C7.1 an upgrade (${name}) without session is refused, and the upstream not asked`, async t => {
    const before = app.seen.length
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target: '/x', fields }))
    t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, 401)
    t.equal(app.seen.length, before)
  })

  t.test(`GHSA-7hrw-592w-9wh2, C7.3 an upgrade (${name}) takes the same list of targets`, async t => {
    const before = app.seen.length
    for (const target of ['/public/../x', '/public/./x', '/%2e/x', '/public/%2e%2e/x', '/public/..%2fx', '/public//x', '/public\\x', '/public/..;/x']) {
      const connection = await connectRaw(t, gateway.port)
      connection.send(rawRequest({ target, fields, cookie }))
      t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, 400, target)
      t.ok(await connection.isClosedWithin(5000))
    }
    t.equal(app.seen.length, before)
  })
}

t.test('X12 an upstream that upgrades by itself is not asked to', async t => {
  for (const [fields, status] of [[webSocket, 400], [offers.several!, 200]] as const) {
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target: '/eager/x', fields }))
    t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, status)
  }
  t.equal(upgrades, 0)
})

t.test('a body behind an upgrade to h2c arrives, as curl --http2 sends it', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ method: 'POST', target: '/public/x', fields: offers.h2c!, body: 'hello' }))
  const answer = await connection.answer({ deadlineMs: 5000 })
  t.equal(answer?.status, 200)
  t.equal(answer?.json().body, 'hello')
})

for (const [name, status] of [['websocket', 400], ['h2c', 200]] as const) {
  t.test(`what follows an upgrade (${name}) is read as HTTP, not as a tunnel`, async t => {
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target: '/public/x', fields: offers[name]! }) + '\u0081\u0085\u0000\u0000\u0000\u0000tunnelled')
    t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, status)
    const next = await connection.answer({ deadlineMs: 5000 })
    t.ok(next === undefined || next.status === 400)
    t.ok(await connection.isClosedWithin(5000), 'no socket is left open')
    t.notMatch(JSON.stringify(app.seen), /tunnelled/)
  })
}

t.test('the gateway\'s own endpoints answer an upgrade, too', async t => {
  for (const target of ['/.auth/me', '/.auth/login', '/.auth/unknown']) {
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target, fields: webSocket }))
    const answer = await connection.answer({ deadlineMs: 5000 })
    t.ok(answer !== undefined && answer.status < 500, `${target}: ${answer?.status}`)
  }
})
