/**
 * X5, C10.6: a client that leaves is gone at the upstream, too, within a second, whatever it was doing: five on a busy
 * machine, where without that it would be the minute of the upstream's deadlines. On the stock path
 * 140 clients that had left kept 128 requests in flight, and a healthy route hung.
 */
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { connectRaw, exchange } from '../support/raw.ts'
import { eventually } from '../support/signed-in.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'

/** What each request was answered with so far; the connection stays open for more. */
const hanging = await startRawUpstream(t, (socket, head) => {
  if (head.includes('/download')) {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
    const timer = setInterval(() => { socket.write(Buffer.alloc(16_384)) }, 5)
    socket.once('close', () => { clearInterval(timer) })
  } else if (head.includes('/started')) {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  } else if (head.includes('/fine')) {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    socket.end()
  }
})
const gateway = await startGateway(t, {
  upstreams: { app: { url: hanging.origin } },
  routes: [{ path: '/*', upstream: 'app', access: 'public', maxBodyBytes: 1_000_000_000 }]
})

async function open (t: Parameters<typeof connectRaw>[0], bytes: string, marks: number) {
  const before = hanging.requests.length
  const connection = await connectRaw(t, gateway.port)
  connection.send(bytes)
  t.ok(await eventually(() => hanging.requests.length === before + marks, 5000), 'the upstream has the request')
  return connection
}

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`

t.test('X5, C10.6 a client that leaves before the answer begins', async t => {
  const connection = await open(t, get('/silent'), 1)
  t.equal(hanging.busy(), 1)
  connection.socket.destroy()
  t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight any more')
})

t.test('C10.6 a client that resets before the answer begins', async t => {
  const connection = await open(t, get('/silent'), 1)
  connection.socket.resetAndDestroy()
  t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight any more')
})

t.test('X5, C10.6 a client that leaves in the middle of a download', async t => {
  const connection = await open(t, get('/download'), 1)
  t.ok(await eventually(() => connection.rest().length > 100_000, 5000), 'the download runs')
  connection.socket.destroy()
  t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight any more')
})

t.test('C10.6 a client that leaves a download that it does not read', async t => {
  const connection = await open(t, get('/download'), 1)
  connection.socket.pause()
  await new Promise(resolve => setTimeout(resolve, 500))
  connection.socket.destroy()
  t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight any more')
})

t.test('C10.6 a client that leaves an answer that pauses', async t => {
  const connection = await open(t, get('/started'), 1)
  t.ok(await eventually(() => connection.rest().includes('hello'), 5000), 'the first bytes have come')
  connection.socket.destroy()
  t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight any more')
})

for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
  t.test(`X5, C10.6 a client that leaves in the middle of an upload (${framing})`, async t => {
    const first = framing.startsWith('Content') ? 'x'.repeat(1000) : '3e8\r\n' + 'x'.repeat(1000) + '\r\n'
    const connection = await open(t, `POST /upload HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${first}`, 1)
    t.ok(await eventually(() => hanging.received().includes('x'.repeat(1000)), 5000), 'the upload runs')
    connection.socket.destroy()
    t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight any more')
  })
}

t.test('many that leave leave room: the route is answered afterwards', async t => {
  const before = hanging.requests.length
  const connections = await Promise.all(Array.from({ length: 300 }, async () => await connectRaw(t, gateway.port)))
  for (const connection of connections) connection.send(get('/silent'))
  t.ok(await eventually(() => hanging.requests.length - before >= 128, 5000), 'the pool is full')
  for (const connection of connections) connection.socket.destroy()
  t.ok(await eventually(() => hanging.busy() === 0, 5000), 'nothing is in flight')
  t.equal((await exchange(t, gateway.port, { target: '/fine' })).text(), 'ok')
  t.notMatch(gateway.logged(), /SG_INTERNAL|unexpected error/)
})
