/**
 * X11, C7.1 to C7.4: on the stock WebSocket path the session cookie went upstream, and neither Origin nor Authorization; any
 * page of any site could open one as the user. Here an upgrade meets the same guards and the same header plan as a request,
 * needs a page of ours or of a listed origin, and a handshake without flaw; everything else is answered and closed.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { frame, handshakeFields, openRaw, sampleAccept, someMask, startEchoUpstream } from '../support/websocket.ts'

const entra = await startEntra(t)
const app = await startEchoUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [
    { path: '/ws/*', upstream: 'app', websocket: true, allowedOrigins: ['https://dash.example:8443'] },
    { path: '/orders/*', upstream: 'orders', websocket: true, identityHeaders: 'easyauth' },
    { path: '/page/*', upstream: 'app', unauthenticated: 'redirect', websocket: true },
    { path: '/*', upstream: 'app' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { cookie } = await signIn(t, { url: gateway.url, entra })
const { url: origin, port } = gateway

type Changes = Record<string, string | null>

async function ask (t: Parameters<typeof connectRaw>[0], changes: Changes, { target = '/ws/x', method = 'GET', signed = true, more = '' } = {}) {
  const connection = await connectRaw(t, port)
  const fields = handshakeFields({ Origin: origin, ...(signed ? { Cookie: cookie } : {}), ...changes })
  connection.send(rawRequest({ method, target, fields }) + more)
  const answer = await connection.answer({ deadlineMs: 5000 })
  return { connection, answer, status: answer?.status }
}

t.test('X11 the upstream sees the token, the user and the origin, and no cookie of the gateway', async t => {
  await openRaw(t, { port, target: '/orders/x' }, {
    Cookie: `theme=dark; ${cookie}; __Host-scopegate.t.abc=1`,
    Authorization: 'Bearer forged',
    'X-MS-CLIENT-PRINCIPAL-NAME': 'forged',
    'X-Forwarded-For': '203.0.113.9',
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits'
  })
  const { headers, rawHeaders } = app.seen.at(-1)!
  t.equal(headers.cookie, 'theme=dark')
  t.match(headers.authorization, /^Bearer eyJ/)
  t.equal(headers.origin, origin)
  t.equal(headers['x-ms-client-principal-name'], 'alice@contoso.example')
  t.equal(headers['x-forwarded-for'], '127.0.0.1')
  t.equal(headers['sec-websocket-extensions'], undefined)
  t.equal(headers['sec-websocket-key'], 'dGhlIHNhbXBsZSBub25jZQ==')
  t.same(rawHeaders.filter((_, i) => i % 2 === 0).filter(name => /^(?:connection|upgrade)$/i.test(name)).sort(), ['connection', 'upgrade'])
})

t.test('the client\'s 101 has what the standard asks for, and nothing of the hop behind', async t => {
  const { answer } = await ask(t, { 'Sec-WebSocket-Protocol': 'superchat' })
  t.equal(answer?.status, 101)
  t.match(answer?.header('upgrade'), /^websocket$/i)
  t.match(answer?.header('connection'), /^upgrade$/i)
  t.equal(answer?.header('sec-websocket-accept'), sampleAccept)
  t.equal(answer?.header('sec-websocket-protocol'), 'superchat')
  for (const name of ['content-length', 'transfer-encoding', 'keep-alive', 'sec-websocket-extensions']) t.equal(answer?.header(name), undefined, name)
})

t.test('C7.1 an upgrade without session is 401 and closed', async t => {
  const before = app.seen.length
  for (const target of ['/ws/x', '/orders/x', '/page/x', '/unknown']) {
    const { status, connection } = await ask(t, {}, { signed: false, target })
    t.equal(status, 401, target)
    t.ok(await connection.isClosedWithin(5000), target)
  }
  t.equal(app.seen.length, before)
})

t.test('C7.2 a foreign, missing or null Origin is 403 and closed; ours and a listed one are 101', async t => {
  const before = app.seen.length
  const foreign = [
    null, 'null', 'http://evil.example', `${origin}.evil.example`, origin.replace('localhost', 'sub.localhost'), origin.replace('http:', 'https:'),
    `${origin}/`, origin.toUpperCase(), `http://127.0.0.1:${port}`, 'https://dash.example', 'https://dash.example:8443.evil.example', '', '*', 'file://'
  ]
  for (const one of foreign) {
    const { status, answer, connection } = await ask(t, { Origin: one })
    t.equal(status, 403, String(one))
    t.equal(answer?.header('scopegate-error'), 'SG_ORIGIN_REFUSED')
    t.ok(await connection.isClosedWithin(5000))
  }
  t.equal((await ask(t, { Origin: 'https://dash.example:8443' }, { target: '/orders/x' })).status, 403, 'listed on another route')
  t.equal(app.seen.length, before)
  for (const one of [origin, 'https://dash.example:8443']) t.equal((await ask(t, { Origin: one })).status, 101, one)
})

t.test('C7.3 an upgrade takes the same list of targets', async t => {
  const before = app.seen.length
  for (const target of ['/ws/../admin', '/ws/./x', '/ws/%2e%2e/x', '/%2e/ws/x', '/ws//x', '/ws/..%2fx', '/ws\\x', '/ws/..;/x', '/ws/x%00', '/ws/x#y']) {
    const { status, connection } = await ask(t, {}, { target })
    t.equal(status, 400, target)
    t.ok(await connection.isClosedWithin(5000), target)
  }
  for (const target of ['/wsx', '/WS/x', '/w%73x']) t.equal((await ask(t, {}, { target })).status, 400, `${target} is of another route`)
  t.equal(app.seen.length, before)
  t.equal((await ask(t, {}, { target: '/w%73/x' })).status, 101)
  t.equal(app.seen.at(-1)!.url, '/ws/x')
})

t.test('C7.4 what is no handshake is 4xx and closed, and the upstream not asked', async t => {
  const before = app.connections()
  const seen = app.seen.length
  const rows: Array<[Changes, number, string?]> = [
    [{ Upgrade: 'h2c' }, 400],
    [{ Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' }, 400],
    [{ Upgrade: 'websocket, h2c' }, 400],
    [{ Upgrade: 'websocket/13' }, 400],
    [{ Connection: 'close' }, 400],
    [{ Connection: null }, 400],
    [{ 'Sec-WebSocket-Version': '99' }, 426],
    [{ 'Sec-WebSocket-Version': null }, 400],
    [{ 'Sec-WebSocket-Key': null }, 400],
    [{ 'Sec-WebSocket-Key': 'short' }, 400],
    [{ 'Sec-WebSocket-Protocol': 'a b' }, 400],
    [{ 'Content-Length': '5' }, 400],
    [{ 'Transfer-Encoding': 'chunked' }, 400],
    [{}, 400, 'HEAD'],
    [{ 'Sec-Fetch-Site': 'same-origin' }, 400, 'POST'],
    [{}, 405, 'get'],
    [{ 'Upgrade ': 'websocket' }, 400]
  ]
  for (const [changes, expected, method = 'GET'] of rows) {
    const what = `${method} ${JSON.stringify(changes)}`
    const connection = await connectRaw(t, port)
    connection.send(rawRequest({ method, target: '/ws/x', fields: handshakeFields({ Origin: origin, Cookie: cookie, ...changes }) }))
    const answer = await connection.answer({ deadlineMs: 5000, head: method === 'HEAD' })
    // A method in small letters is none for Node's parser.
    if (method === 'get') t.match(String(answer?.status), /^40[05]$/, what)
    else t.equal(answer?.status, expected, what)
    t.ok(await connection.isClosedWithin(5000), what)
  }
  t.equal(app.seen.length, seen)
  t.ok(app.connections() <= before)
})

t.test('C7.4 another version is told which one there is', async t => {
  const { answer } = await ask(t, { 'Sec-WebSocket-Version': '8' })
  t.equal(answer?.status, 426)
  t.equal(answer?.header('sec-websocket-version'), '13')
  t.equal(answer?.header('upgrade'), 'websocket')
  t.match(answer?.header('connection'), /upgrade/)
  t.equal(answer?.json().code, 'SG_TARGET_INVALID')
  t.match(gateway.logged(), /"code":"SG_TARGET_INVALID","cause":"Handshake another-version"/)
})

t.test('HTTP/1.0 cannot be upgraded', async t => {
  const connection = await connectRaw(t, port)
  connection.send(rawRequest({ target: '/ws/x', fields: handshakeFields({ Origin: origin, Cookie: cookie }) }).replace('HTTP/1.1', 'HTTP/1.0'))
  t.equal((await connection.answer())?.status, 400)
  t.ok(await connection.isClosedWithin(5000))
})

t.test('a client that speaks before it is answered is refused: what it said is neither a frame nor a request', async t => {
  const before = app.seen.length
  for (const more of [frame({ mask: someMask, payload: 'early' }).toString('latin1'), rawRequest({ target: '/smuggled' })]) {
    const { status, connection } = await ask(t, {}, { more })
    t.equal(status, 400)
    t.ok(await connection.isClosedWithin(5000))
  }
  t.notMatch(app.seen.slice(before).map(request => request.url).join(), /smuggled/)
})

t.test('a client that closes its side after the handshake, and one that resets, leave nothing behind', async t => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const connection = await openRaw(t, { port, target: '/ws/x' }, { Cookie: cookie })
    const end = app.sockets.at(-1)!
    connection.socket[leave]()
    t.ok(await eventually(() => end.readyState === end.CLOSED, 5000), leave)
  }
})
