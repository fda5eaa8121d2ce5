/**
 * C7.6, C7.7: frames of a client that means harm. What breaks the protocol or a limit is closed with its code, between two
 * frames, and never reaches the other side; whatever passes costs the gateway no memory; a reader that stalls stops its sender.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { startGateway } from '../support/gateway.ts'
import { until } from '../support/redis.ts'
import { eventually } from '../support/signed-in.ts'
import { closeCodeIn, frame, type FrameParts, openRaw, openWebSocket, someMask, startEchoUpstream } from '../support/websocket.ts'

const received: string[] = []
const errors: Error[] = []
const app = await startEchoUpstream(t, {
  onSocket (socket) {
    socket.on('error', error => { errors.push(error) })
    socket.on('message', (message: Buffer, isBinary) => {
      received.push(message.length < 100 ? message.toString() : `${message.length} bytes`)
      if (message.toString() === 'flood') for (let i = 0; i < 200; i++) socket.send(Buffer.alloc(1_000_000))
      else if (message.toString() === 'long') socket.send(Buffer.alloc(1_048_577))
      else if (message.length < 100) socket.send(message, { binary: isBinary })
    })
  }
})
const gateway = await startGateway(t, {
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/*', upstream: 'app', access: 'public', websocket: true }]
})

const ofClient = (parts: FrameParts = {}): Buffer => frame({ mask: someMask, ...parts })
const open = async (t: Test) => await openRaw(t, { port: gateway.port, target: '/x' })

t.test('C7.6 reserved bits, unknown opcodes and the like are closed with 1002, and never reach the upstream', async t => {
  const rows: Record<string, Buffer> = {
    'compressed, as of an extension that nobody agreed on': ofClient({ reserved: 0x40, payload: 'evil' }),
    'reserved bit 3': ofClient({ reserved: 0x10, payload: 'evil' }),
    'opcode 3': ofClient({ opcode: 3, payload: 'evil' }),
    'opcode 15': ofClient({ opcode: 15, payload: 'evil' }),
    unmasked: frame({ payload: 'evil' }),
    'a ping in fragments': ofClient({ opcode: 9, isFinal: false, payload: 'evil' }),
    'a ping of 126 bytes': ofClient({ opcode: 9, payload: 'evil'.repeat(32) }),
    'a continuation of nothing': ofClient({ opcode: 0, payload: 'evil' })
  }
  for (const [name, bytes] of Object.entries(rows)) {
    received.length = 0
    const connection = await open(t)
    const ended = once(app.sockets.at(-1)!, 'close')
    connection.send(Buffer.concat([ofClient({ opcode: 1, payload: 'fine' }), bytes, ofClient({ opcode: 1, payload: 'late' })]))
    t.ok(await connection.isClosedWithin(5000), name)
    t.equal(closeCodeIn(connection.rest()), 1002, name)
    t.equal((await ended)[0], 1001, `${name}: the upstream is told politely`)
    t.same(received, ['fine'], name)
  }
  t.same(errors, [], 'the upstream never saw a broken frame')
})

t.test('C7.6 a message over the limit is closed with 1009 before it begins: whole, or at the fragment that is too much', async t => {
  const half = ofClient({ payload: Buffer.alloc(600_000), isFinal: false })
  const tooMuch = Buffer.concat([half, ofClient({ opcode: 0, payload: Buffer.alloc(600_000) })])
  for (const bytes of [ofClient({ claims: 2 ** 30 }), ofClient({ claims: 1_048_577 }), tooMuch]) {
    received.length = 0
    const connection = await open(t)
    connection.send(bytes)
    t.ok(await connection.isClosedWithin(5000))
    t.equal(closeCodeIn(connection.rest()), 1009)
    t.same(received, [])
  }
  const connection = await open(t)
  connection.send(ofClient({ payload: Buffer.alloc(1_048_576) }))
  t.ok(await eventually(() => received.includes('1048576 bytes'), 5000), 'the limit itself passes')
})

t.test('a message of the upstream over the limit closes both: it with 1009, the client with 1011', async t => {
  const { socket, closed } = await openWebSocket(t, `${gateway.url}/x`)
  const ended = once(app.sockets.at(-1)!, 'close')
  socket.send('long')
  t.equal(await closed, 1011)
  t.equal((await ended)[0], 1009)
})

t.test('C7.6 bad UTF-8 is the application\'s to judge, and its verdict arrives', async t => {
  const connection = await open(t)
  connection.send(ofClient({ opcode: 1, payload: Buffer.from([0xff, 0xfe]) }))
  t.ok(await connection.isClosedWithin(5000))
  t.equal(closeCodeIn(connection.rest()), 1007)
})

t.test('C7.6 a million tiny frames, and a flood of empty fragments, cost no memory', async t => {
  const connection = await open(t)
  const before = process.memoryUsage().rss
  const frames = Buffer.concat([
    ofClient({ isFinal: false }), ...Array.from({ length: 9998 }, () => ofClient({ opcode: 0, isFinal: false })), ofClient({ opcode: 0, payload: 'x' })
  ])
  received.length = 0
  for (let i = 0; i < 100; i++) {
    if (!connection.socket.write(frames)) await new Promise(resolve => { connection.socket.once('drain', resolve) })
  }
  t.ok(await eventually(() => received.length === 100, 60_000), 'every message arrived')
  t.ok(process.memoryUsage().rss - before < 100 * 2 ** 20, 'gateway, application and client together')
})

t.test('C7.7, X13 a client that reads nothing stops the upstream: what is buffered stays small', async t => {
  const { socket } = await openWebSocket(t, `${gateway.url}/x`)
  socket.pause()
  const before = process.memoryUsage().rss
  socket.send('flood')
  const end = app.sockets.at(-1)!
  await until('the flood', () => end.bufferedAmount > 0)
  await delay(1500)
  t.ok(end.bufferedAmount > 100_000_000, `${end.bufferedAmount} of 200 MB are still at the upstream`)
  // The upstream of this test holds its 200 MB in this very process.
  t.ok(process.memoryUsage().rss - before < 300 * 2 ** 20)
  socket.resume()
  t.ok(await eventually(() => end.bufferedAmount === 0, 30_000), 'and goes on when the client reads again')
})

t.test('C7.6 whatever bytes come, the upstream sees whole frames only, and the gateway lives', async t => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
    fc.record({
      opcode: fc.constantFrom(0, 1, 2, 8, 9, 10, 3),
      isFinal: fc.boolean(),
      payload: fc.string({ maxLength: 200 }),
      reserved: fc.constantFrom(0, 0, 0, 0x40)
    }).map(ofClient)
  )
  await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 10 }), async pieces => {
    const connection = await open(t)
    for (const bytes of pieces) connection.send(bytes)
    connection.socket.end()
    return await connection.isClosedWithin(15_000)
  }), { numRuns: 300, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false })
  const judged = ['WS_ERR_INVALID_UTF8', 'WS_ERR_INVALID_CLOSE_CODE', 'ECONNRESET', 'EPIPE']
  const unexpected = errors.filter(error => !judged.includes((error as NodeJS.ErrnoException).code ?? ''))
  t.same(unexpected.map(error => error.message), [], 'only what is the application\'s to judge')
  const { socket, message } = await openWebSocket(t, `${gateway.url}/x`)
  socket.send('alive')
  t.equal((await message()).toString(), 'alive')
  t.ok(await eventually(() => app.connections() <= 12, 15_000), 'no socket is left')
})
