/**
 * X13: the stock WebSocket path answered 101 before the upstream had, so that a page took a refusal for a connection. Here
 * the upstream is dialled first: its 101 has to fit, its refusal is an answer, its silence has an end, and no socket stays.
 */
import t, { type Test } from 'tap'
import { createAuthority, createSelfSigned, keepPem } from '../support/certificates.ts'
import { startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { eventually } from '../support/signed-in.ts'
import { handshakeFields, openWebSocket, sampleAccept, startEchoUpstream } from '../support/websocket.ts'

const good = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Accept': sampleAccept }

function switching (changes: Record<string, string | null> = {}): string {
  const fields = Object.entries({ ...good, ...changes }).filter(([, value]) => value !== null)
  return `HTTP/1.1 101 Switching Protocols\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

const answers: Record<string, string> = {}
const upstream = await startRawUpstream(t, (socket, head) => {
  const [, name = ''] = /^GET \/(\S+)/.exec(head)!
  const answer = answers[name]
  if (name === 'hang-up') socket.end()
  else if (answer !== undefined) socket.write(answer, 'latin1')
})
const port = await freePort()
const gateway = await startGateway(t, {
  upstreams: { app: { url: upstream.origin }, nobody: { url: `http://127.0.0.1:${port}` } },
  routes: [
    { path: '/nobody/*', upstream: 'nobody', access: 'public', websocket: true },
    { path: '/*', upstream: 'app', access: 'public', websocket: true }
  ]
})

interface Asked {
  readonly changes?: Record<string, string | null>
  readonly deadlineMs?: number
}

async function ask (t: Test, target: string, { changes = {}, deadlineMs = 3000 }: Asked = {}) {
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ target, fields: handshakeFields({ Origin: gateway.url, ...changes }) }))
  return { connection, answer: await connection.answer({ deadlineMs }) }
}

t.test('X13 a 101 that does not fit the request is 502, and both connections are closed', async t => {
  const rows: Record<string, Record<string, string | null>> = {
    'no-accept': { 'Sec-WebSocket-Accept': null },
    'other-accept': { 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' },
    h2c: { Upgrade: 'h2c' },
    'no-upgrade': { Upgrade: null },
    'no-connection': { Connection: null },
    extension: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
    unasked: { 'Sec-WebSocket-Protocol': 'superchat' }
  }
  for (const [name, changes] of Object.entries(rows)) {
    answers[name] = switching(changes)
    const { connection, answer } = await ask(t, `/${name}`, { changes: { 'Sec-WebSocket-Protocol': 'chat' } })
    t.equal(answer?.status, 502, name)
    t.equal(answer?.header('scopegate-error'), 'SG_UPSTREAM_UNREACHABLE', name)
    t.ok(await connection.isClosedWithin(5000), name)
    t.ok(await eventually(() => upstream.busy() === 0, 5000), `${name}: nothing is left at the upstream`)
  }
})

t.test('X13 the client waits for the upstream', async t => {
  answers.slow = ''
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ target: '/slow', fields: handshakeFields({ Origin: gateway.url }) }))
  t.ok(await eventually(() => upstream.busy() === 1, 5000))
  t.equal(await connection.answer({ deadlineMs: 300 }), undefined, 'no 101 before the upstream\'s')
  connection.socket.destroy()
  t.ok(await eventually(() => upstream.busy() === 0, 5000), 'a client that leaves is gone at the upstream')
})

t.test('X13 a refusal of the upstream is the answer, filtered like any answer', async t => {
  answers.refused = 'HTTP/1.1 403 Not today\r\nContent-Length: 6\r\nX-Why: quota\r\nSet-Cookie: scopegate=planted\r\nSet-Cookie: a=1\r\nConnection: close\r\n\r\nquota!'
  const { connection, answer } = await ask(t, '/refused')
  t.equal(answer?.status, 403)
  t.equal(answer?.text(), 'quota!')
  t.equal(answer?.header('x-why'), 'quota')
  t.same(answer?.all('set-cookie'), ['a=1'])
  t.equal(answer?.header('scopegate-error'), undefined)
  t.ok(await connection.isClosedWithin(5000))
})

t.test('a refusal that is larger than any buffer arrives whole', async t => {
  const body = 'x'.repeat(3_000_000)
  answers.large = `HTTP/1.1 500 Internal Server Error\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const { answer } = await ask(t, '/large')
  t.equal(answer?.status, 500)
  t.equal(answer?.body.length, body.length)
})

t.test('cookies of a 101 are filtered, and fields of its framing dropped', async t => {
  answers.planting = switching({ 'Set-Cookie': 'scopegate=planted', 'X-Kept': 'yes', 'Content-Length': '5', 'Keep-Alive': 'timeout=5' })
  const { answer } = await ask(t, '/planting')
  t.equal(answer?.status, 101)
  t.equal(answer?.header('set-cookie'), undefined)
  t.equal(answer?.header('x-kept'), 'yes')
  t.equal(answer?.header('content-length'), undefined)
  t.equal(answer?.header('keep-alive'), undefined)
})

t.test('what the upstream says right behind its 101 arrives', async t => {
  answers.eager = `${switching()}\u0082\u0005hello`
  const { connection, answer } = await ask(t, '/eager')
  t.equal(answer?.status, 101)
  t.ok(await eventually(() => connection.rest().toString('latin1') === '\u0082\u0005hello', 5000))
})

t.test('X13 an upstream that closes, or is not there, is 502; one that is silent is 504 after five seconds', async t => {
  t.equal((await ask(t, '/hang-up')).answer?.status, 502)
  t.equal((await ask(t, '/nobody/x')).answer?.status, 502)
  const started = performance.now()
  const { connection, answer } = await ask(t, '/silent', { deadlineMs: 9000 })
  t.equal(answer?.status, 504)
  t.ok(performance.now() - started > 4500)
  t.ok(await connection.isClosedWithin(5000))
  t.ok(await eventually(() => upstream.busy() === 0, 5000))
})

t.test('X1 an upstream whose certificate does not hold is not spoken to; one that is verified is', async t => {
  const authority = createAuthority()
  const caFile = keepPem(t, authority.pem)
  const bad = await startEchoUpstream(t, { tls: createSelfSigned(['127.0.0.1']) })
  const good = await startEchoUpstream(t, { tls: authority.issue(['127.0.0.1']) })
  const secure = await startGateway(t, {
    upstreams: { bad: { url: bad.origin, caFile }, good: { url: good.origin, caFile } },
    routes: ['bad', 'good'].map(name => ({ path: `/${name}`, upstream: name, access: 'public', websocket: true }))
  })
  const connection = await connectRaw(t, secure.port)
  connection.send(rawRequest({ target: '/bad', fields: handshakeFields({ Origin: secure.url }) }))
  const answer = await connection.answer()
  t.equal(answer?.status, 502)
  t.equal(answer?.header('scopegate-error'), 'SG_UPSTREAM_TLS')
  t.equal(bad.seen.length, 0)
  const { socket, message } = await openWebSocket(t, `${secure.url}/good`)
  socket.send('x'.repeat(500_000))
  t.equal((await message()).length, 500_000)
})
