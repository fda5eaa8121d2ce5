/**
 * X6, C2.4, C2.5, C2.12: fields that end at a hop leaked both ways, and Connection could take fields away. Same class:
 * CVE-2026-33805 (reply-from), CVE-2026-29054 (Traefik).
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const rude = await startRawUpstream(t, socket => {
  socket.write('HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, x-other\r\nKeep-Alive: timeout=99\r\nProxy-Authenticate: Basic realm="x"\r\n' +
    'Proxy-Authentication-Info: x\r\nProxy-Connection: keep-alive\r\nX-Hop: secret\r\nX-Other: secret\r\nUpgrade: h2c\r\nTrailer: X-Trailer\r\nTE: trailers\r\nX-Stays: yes\r\n' +
    'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: late\r\nSet-Cookie: late=1\r\n\r\n')
})
const greedy = await startRawUpstream(t, socket => {
  socket.write('HTTP/1.1 200 OK\r\nConnection: close, content-length, content-type, set-cookie\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok')
})
const gateway = await startGateway(t, {
  emulator: entra,
  server: { trustedProxies: [] },
  upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] }, rude: { url: rude.origin }, greedy: { url: greedy.origin } },
  routes: [
    { path: '/rude/*', upstream: 'rude', access: 'public' },
    { path: '/greedy/*', upstream: 'greedy', access: 'public' },
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/*', upstream: 'app', identityHeaders: { 'X-User': 'oid' }, requestHeaders: { set: { 'X-Route': 'orders' } } }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { cookie } = await signIn(t, { url: gateway.url, entra })

t.test('X6, CVE-2026-33805, CVE-2026-29054, C2.4 Connection cannot take away what the gateway sets', async t => {
  const nominations = ['authorization', 'AUTHORIZATION', 'X-User, close', 'x-user', 'x-route', 'x-forwarded-for', 'x-forwarded-host, x-forwarded-proto', 'x-request-id', 'traceparent', 'via', 'host', 'cookie', 'content-length', 'connection']
  for (const nomination of nominations) {
    const { headers } = (await exchange(t, gateway.port, {
      target: '/x', cookie: `${cookie}; app=1`, fields: [['Connection', nomination]]
    })).json()
    t.match(headers.authorization, /^Bearer eyJ/, nomination)
    t.match(headers['x-user'], /^[0-9a-f-]{36}$/)
    t.equal(headers['x-route'], 'orders')
    t.equal(headers['x-forwarded-for'], '127.0.0.1')
    t.equal(headers['x-forwarded-host'], `localhost:${gateway.port}`)
    t.equal(headers.host, `127.0.0.1:${app.port}`)
    t.ok(headers['x-request-id'])
    t.ok(headers.traceparent)
  }
})

t.test('C2.4 Connection cannot take away the framing of a body', async t => {
  const answer = await exchange(t, gateway.port, { method: 'POST', target: '/public/x', fields: [['Connection', 'content-length, transfer-encoding']], body: 'hello' })
  t.equal(answer.status, 200)
  t.equal(answer.json().body, 'hello')
})

t.test('C2.4 Connection takes away what the client nominates of its own', async t => {
  const { headers } = (await exchange(t, gateway.port, {
    target: '/public/x', fields: [['Connection', 'X-Mine ,  x-second'], ['X-Mine', '1'], ['X-Second', '2'], ['X-Third', '3']]
  })).json()
  t.equal(headers['x-mine'], undefined)
  t.equal(headers['x-second'], undefined)
  t.equal(headers['x-third'], '3')
})

t.test('C2.4 several Connection fields count together', async t => {
  const { headers } = (await exchange(t, gateway.port, {
    target: '/public/x', fields: [['Connection', 'x-mine'], ['Connection', 'keep-alive, x-second'], ['X-Mine', '1'], ['X-Second', '2']]
  })).json()
  t.equal(headers['x-mine'], undefined)
  t.equal(headers['x-second'], undefined)
})

t.test('X6, C2.5 hop-by-hop fields of the client are not forwarded and break nothing', async t => {
  const fields = {
    TE: 'trailers, deflate', Trailer: 'X-Checksum', 'Keep-Alive': 'x', 'Proxy-Connection': 'keep-alive', 'Proxy-Authorization': 'Basic eDp5', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__', 'Proxy-Foo': 'x'
  }
  for (const [name, value] of Object.entries(fields)) {
    const answer = await exchange(t, gateway.port, { target: '/public/x', fields: [[name, value], ['X-Stays', 'yes']] })
    t.equal(answer.status, 200, name)
    const { headers } = answer.json()
    t.equal(headers['x-stays'], 'yes')
    t.notOk(Object.hasOwn(headers, name.toLowerCase()), `${name} is not forwarded`)
    t.ok(['keep-alive', 'close', undefined].includes(headers.connection), 'Connection is the gateway\'s own')
  }
})

t.test('trailers of the client are dropped', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /public/x HTTP/1.1\r\nHost: localhost\r\nTrailer: X-Forwarded-User, Authorization\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Forwarded-User: evil\r\nAuthorization: Bearer evil\r\nX-Late: 1\r\n\r\n')
  const seen = (await connection.answer())?.json()
  t.equal(seen.body, 'hello')
  for (const name of ['x-forwarded-user', 'authorization', 'x-late', 'trailer']) t.notOk(Object.hasOwn(seen.headers, name), name)
  t.notMatch(JSON.stringify(app.seen.at(-1)), /evil/)
})

t.test('X6, C2.12 hop-by-hop and nominated fields of the upstream are not passed on', async t => {
  const answer = await exchange(t, gateway.port, { target: '/rude/x' })
  t.equal(answer.status, 200)
  t.equal(answer.text(), 'ok')
  t.equal(answer.header('x-stays'), 'yes')
  for (const name of ['proxy-authenticate', 'proxy-authentication-info', 'proxy-connection', 'x-hop', 'x-other', 'upgrade', 'trailer', 'te', 'x-trailer', 'set-cookie']) {
    t.strictSame(answer.all(name), [], name)
  }
  t.notMatch(answer.header('connection') ?? '', /hop/i)
  t.notMatch(answer.header('keep-alive') ?? '', /99/)
})

t.test('C2.12 an upstream\'s Connection does not remove the framing of its answer', async t => {
  const answer = await exchange(t, gateway.port, { target: '/greedy/x' })
  t.equal(answer.status, 200)
  t.equal(answer.text(), 'ok')
  t.ok(answer.isComplete)
})

t.test('an HTTP/1.0 client gets no chunks and no connection that it did not ask to keep', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('GET /rude/x HTTP/1.0\r\nHost: localhost\r\n\r\n')
  t.ok(await connection.isClosedWithin(5000), 'closed after the answer')
  const text = connection.rest().toString('latin1')
  t.match(text, /^HTTP\/1\.1 200 /)
  t.notMatch(text, /transfer-encoding/i)
  t.match(text, /\r\n\r\nok$/)
})

t.test('requests of one connection are each authenticated on their own and answered in order', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ target: '/1', cookie }) + rawRequest({ target: '/2' }) + rawRequest({ target: '/public/3' }) + rawRequest({ target: '/4', cookie }))
  const answers = [await connection.answer(), await connection.answer(), await connection.answer(), await connection.answer()]
  t.strictSame(answers.map(answer => answer?.status), [200, 401, 200, 200])
  t.strictSame([0, 2, 3].map(i => answers[i]?.json().url), ['/1', '/public/3', '/4'])
  t.equal(answers[2]?.json().headers.authorization, undefined)
})
