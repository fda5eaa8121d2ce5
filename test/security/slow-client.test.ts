/**
 * X16, C8.6: a client that sends slowly, or reads slowly, holds its own connection only, and not for long.
 */
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { connectRaw, exchange } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const app = await startUpstream(t)
const gateway = await startGateway(t, {
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/*', upstream: 'app', access: 'public' }],
  server: { limits: { headersTimeoutSeconds: 1, requestTimeoutSeconds: 2, maxConnections: 40 } }
})

/** Node looks at the deadlines every 5 s; that is the slack they have. */
const closedWithinMs = 2000 + 5000 + 5000

t.jobs = 6

t.test('X16, C8.6 headers that never end are cut off', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
  t.ok(await connection.isClosedWithin(closedWithinMs), 'closed')
  t.match(connection.rest().toString(), /^HTTP\/1\.1 408 /)
})

t.test('C8.6 headers that come drop by drop are cut off', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('GET / HTTP/1.1\r\nHost: localhost\r\n')
  const timer = setInterval(() => { connection.send('X: y\r\n') }, 200)
  t.teardown(() => { clearInterval(timer) })
  t.ok(await connection.isClosedWithin(closedWithinMs), 'closed')
})

t.test('C8.6 a connection that says nothing at all is cut off', async t => {
  const connection = await connectRaw(t, gateway.port)
  t.ok(await connection.isClosedWithin(closedWithinMs), 'closed')
})

t.test('X16, C8.6 a declared body that comes drop by drop is cut off, and the upstream is not left waiting', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /slow-body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx')
  const timer = setInterval(() => { connection.send('x') }, 200)
  t.teardown(() => { clearInterval(timer) })
  t.ok(await connection.isClosedWithin(closedWithinMs), 'closed')
  await delay(500)
  t.notOk(app.seen.some(({ url }) => url === '/slow-body'), 'the upstream never got a whole request')
})

t.test('C8.6 a chunked body that comes drop by drop is cut off', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /slow-chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')
  const timer = setInterval(() => { connection.send('1\r\nx\r\n') }, 200)
  t.teardown(() => { clearInterval(timer) })
  t.ok(await connection.isClosedWithin(closedWithinMs), 'closed')
  await delay(500)
  t.notOk(app.seen.some(({ url }) => url === '/slow-chunks'))
})

t.test('others are answered meanwhile, and the uploads in flight are over in the end', async t => {
  const started = performance.now()
  for (let i = 0; i < 5; i++) {
    t.equal((await exchange(t, gateway.port, { target: '/fast' })).status, 200)
    await delay(200)
  }
  t.ok(performance.now() - started < 4000)
  await delay(7000)
  await until('nothing in flight', () => app.inFlight() === 0)
})

t.test('the control: a body that is slow within the limits arrives', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na')
  await delay(300)
  connection.send('b')
  await delay(300)
  connection.send('c')
  t.equal((await connection.answer())?.json().body, 'abc')
})
