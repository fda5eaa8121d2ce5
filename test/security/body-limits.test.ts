/**
 * C8.5: a body over the limit is refused: by its declared length unread, by its chunks as soon as it is too long.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange } from '../support/raw.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [
    { path: '/small/*', upstream: 'app', access: 'public', maxBodyBytes: 100 },
    { path: '/none/*', upstream: 'app', access: 'public', maxBodyBytes: 0 },
    { path: '/large/*', upstream: 'app', access: 'public', maxBodyBytes: 100_000 },
    { path: '/*', upstream: 'app' }
  ],
  server: { limits: { maxBodyBytes: 1000 } }
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/small/x' })

const sameOrigin = [['Sec-Fetch-Site', 'same-origin']] as const

t.test('a body of exactly the limit passes', async t => {
  for (const [target, size] of [['/small/x', 100], ['/none/x', 0], ['/x', 1000], ['/large/x', 100_000]] as const) {
    const answer = await exchange(t, gateway.port, { method: 'POST', target, cookie, fields: sameOrigin, body: 'x'.repeat(size) })
    t.equal(answer.status, 200, target)
    t.equal(answer.json().body.length, size)
    const chunked = await exchange(t, gateway.port, chunkedPost(target, size))
    t.equal(chunked.status, 200, `${target} in chunks`)
    t.equal(chunked.json().body.length, size)
  }
})

function chunkedPost (target: string, size: number): string {
  const chunks = size === 0 ? '' : `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
  return `POST ${target} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nSec-Fetch-Site: same-origin\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`
}

t.test('C8.5 a declared body of one byte more is refused unread, and the connection closed', async t => {
  for (const [target, size] of [['/small/x', 101], ['/none/x', 1], ['/x', 1001], ['/large/x', 100_001]] as const) {
    const before = app.seen.length
    const connection = await connectRaw(t, gateway.port)
    connection.send(`POST ${target} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nSec-Fetch-Site: same-origin\r\nContent-Length: ${size}\r\n\r\n`)
    const answer = await connection.answer({ deadlineMs: 5000 })
    t.equal(answer?.status, 413, target)
    t.equal(answer?.header('scopegate-error'), 'SG_BODY_TOO_LARGE')
    t.equal(answer?.header('connection'), 'close')
    t.ok(await connection.isClosedWithin(5000), 'closed')
    t.equal(app.seen.length, before)
  }
})

t.test('C8.5 a chunked body is refused once it is longer, and the connection closed', async t => {
  for (const [target, size] of [['/small/x', 101], ['/none/x', 1], ['/x', 1001], ['/large/x', 100_001]] as const) {
    const before = app.seen.length
    const connection = await connectRaw(t, gateway.port)
    connection.send(chunkedPost(target, size))
    const answer = await connection.answer({ deadlineMs: 5000 })
    t.equal(answer?.status, 413, target)
    t.equal(answer?.header('scopegate-error'), 'SG_BODY_TOO_LARGE')
    t.ok(await connection.isClosedWithin(5000), 'closed')
    t.equal(app.seen.length, before, 'the upstream never got a whole request')
  }
})

t.test('C8.5 many chunks that go on for ever are cut off', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /large/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
  const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`
  const timer = setInterval(() => { connection.send(chunk) }, 2)
  t.teardown(() => { clearInterval(timer) })
  t.ok(await connection.isClosedWithin(5000), 'closed')
  t.ok(connection.socket.bytesWritten < 10_000_000)
  t.ok(await eventually(() => app.inFlight() === 0, 5000), 'nothing is left at the upstream')
})

t.test('C3.8 without a session the body does not matter: 401 at once, unread', async t => {
  for (const framing of ['Content-Length: 999999999', 'Transfer-Encoding: chunked']) {
    const connection = await connectRaw(t, gateway.port)
    connection.send(`POST /x HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`)
    t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, 401, framing)
  }
})

t.test('the gateway goes on', async t => {
  t.equal((await exchange(t, gateway.port, { target: '/small/x' })).status, 200)
  t.notMatch(gateway.logged(), /unexpected error/)
})
