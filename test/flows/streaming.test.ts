/**
 * C7.9: an answer of a `streaming` route, server-sent events above all: its first byte comes at once, it may pause, a client
 * that leaves ends it, and it does not outlive the session that it was asked with.
 */
import t, { type Test } from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import type { Socket } from 'node:net'

const entra = await startEntra(t)
const ends: Socket[] = []
const upstream = await startRawUpstream(t, (socket, head) => {
  ends.push(socket)
  const isEvents = head.startsWith('GET /events') || head.startsWith('GET /plain')
  socket.write(isEvents
    ? 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
    : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: upstream.origin, timeouts: { bodySeconds: 1 } } },
  routes: [{ path: '/events/*', upstream: 'app', streaming: true }, { path: '/*', upstream: 'app' }]
})
const { cookie } = await signIn(t, { url: gateway.url, entra })

async function subscribe (t: Test, target = '/events/x') {
  const connection = await connectRaw(t, gateway.port)
  const before = ends.length
  connection.send(rawRequest({ target, fields: [['Cookie', cookie], ['Accept', 'text/event-stream']] }))
  t.ok(await eventually(() => ends.length > before, 5000))
  const text = () => connection.rest().toString('latin1')
  return { connection, text, end: ends.at(-1)! }
}

const event = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

t.test('C7.9 headers come before the first event, and each event as it is sent', async t => {
  const { text, end } = await subscribe(t)
  t.ok(await eventually(() => /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/.test(text()), 5000), 'the header section alone')
  end.write(event('data: 1\n\n'))
  t.ok(await eventually(() => text().includes('data: 1\n\n'), 5000))
  end.write(event('data: 2\n\n'))
  t.ok(await eventually(() => text().includes('data: 2\n\n'), 5000))
})

t.test('C7.9 a pause that would cut another answer does not cut a stream', async t => {
  const { text, end, connection } = await subscribe(t)
  const plain = await subscribe(t, '/plain/x')
  t.ok(await plain.connection.isClosedWithin(20_000), 'an answer of another route is cut')
  end.write(event('data: late\n\n'))
  t.ok(await eventually(() => text().includes('data: late\n\n'), 5000))
  t.notOk(await connection.isClosedWithin(10))
})

t.test('C7.9 a client that leaves is gone at the upstream', async t => {
  const { connection, end } = await subscribe(t)
  connection.socket.destroy()
  t.ok(await eventually(() => end.destroyed, 5000))
})

t.test('a stream that ends keeps its connection for the next request', async t => {
  const { connection, end } = await subscribe(t)
  end.write('0\r\n\r\n')
  t.equal((await connection.answer())?.isComplete, true)
  connection.send(rawRequest({ target: '/x', fields: [['Cookie', cookie]] }))
  t.equal((await connection.answer())?.text(), 'ok')
})

t.test('C7.9 a sign-out cuts the streams of the session, and only those; a cut stream is not a complete one', async t => {
  const other = await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example' })
  const { connection, end } = await subscribe(t)
  const connection2 = await connectRaw(t, gateway.port)
  connection2.send(rawRequest({ target: '/events/x', fields: [['Cookie', other.cookie]] }))
  t.ok(await eventually(() => connection2.rest().length > 0, 5000))
  await other.browser.visit(`${gateway.url}/.auth/logout`)
  t.ok(await connection2.isClosedWithin(5000))
  t.equal((await connection2.answer({ deadlineMs: 10 }))?.isComplete, false)
  t.notOk(await connection.isClosedWithin(100))
  end.write(event('data: on\n\n'))
  t.ok(await eventually(() => connection.rest().includes('data: on'), 5000))
})

t.test('C7.9 the end of the session cuts its streams within a minute, whatever they are busy with', async t => {
  const { connection, end } = await subscribe(t)
  const busy = setInterval(() => { end.write(event('data: busy\n\n')) }, 100)
  t.teardown(() => { clearInterval(busy) })
  gateway.clock.advance(3601)
  t.ok(await connection.isClosedWithin(60_000))
  t.ok(await eventually(() => end.destroyed, 5000))
})
