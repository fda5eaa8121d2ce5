/** This file checks what watches a tunnel: pings, peers that are gone or do not read, and goodbyes between two frames. */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { closeCodes, joinSockets, type Tunnel } from '../../src/proxy/tunnel.ts'
import { eventually } from '../support/signed-in.ts'
import { closeCodeIn, frame, someMask } from '../support/websocket.ts'

/** Two ends of one TCP connection. */
async function pair (t: Test): Promise<[inner: Socket, outer: Socket]> {
  const server = createServer({ allowHalfOpen: true })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const outer = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [inner] = await once(server, 'connection') as [Socket]
  server.close()
  for (const socket of [inner, outer]) socket.on('error', () => {})
  t.teardown(() => {
    inner.destroy()
    outer.destroy()
  })
  return [inner, outer]
}

interface End {
  readonly socket: Socket
  received (): Buffer
}

function listening (socket: Socket): End {
  let received = Buffer.alloc(0)
  socket.on('data', chunk => { received = Buffer.concat([received, chunk]) })
  return { socket, received: () => received }
}

async function start (t: Test, pingMs = 60_000) {
  const [[client, page], [upstream, app]] = [await pair(t), await pair(t)]
  const reasons: string[] = []
  const onOver = (reason: string): void => { reasons.push(reason) }
  const tunnel: Tunnel = joinSockets({ client, upstream, maxMessageBytes: 1000, pingMs, onOver })
  return { tunnel, page: listening(page), app: listening(app), reasons }
}

const ping = Buffer.from([0x89, 0])
const pong = frame({ opcode: 10, mask: someMask })
const isClosed = (socket: Socket) => eventually(() => socket.closed || socket.readableEnded, 5000)

/** The code of a masked Close frame at the end of some bytes. */
function maskedCloseCode (bytes: Buffer): number | undefined {
  const close = bytes.subarray(-8)
  if (close[0] !== 0x88 || close[1] !== 0x82) return undefined
  return Buffer.from([close[6]! ^ close[2]!, close[7]! ^ close[3]!]).readUInt16BE(0)
}

t.test('a client that answers pings stays, and its pongs go on', async t => {
  const { page, app, reasons } = await start(t, 300)
  page.socket.on('data', () => { page.socket.write(pong) })
  t.ok(await eventually(() => page.received().length >= 10, 10_000), 'it was pinged five times')
  t.same(reasons, [])
  t.ok(app.received().length >= 4 * pong.length)
  t.equal(app.received().length % pong.length, 0, 'nothing of ours in between')
})

t.test('C7.8 a client that is silent is gone after a ping and an interval more', async t => {
  const { page, app, reasons } = await start(t, 50)
  t.ok(await isClosed(page.socket))
  t.ok(page.received().equals(ping), 'one ping')
  t.ok(await isClosed(app.socket), 'and so it is for the upstream')
  t.ok(await eventually(() => reasons.length === 1, 5000))
  t.same(reasons, ['client gone'])
})

t.test('a ping waits while a frame of the upstream is on its way', async t => {
  const { page, app } = await start(t, 300)
  page.socket.on('data', () => { page.socket.write(pong) })
  const long = frame({ payload: Buffer.alloc(500, 1) })
  app.socket.write(long.subarray(0, 100))
  const busy = setInterval(() => { page.socket.write(pong) }, 20)
  await delay(1000)
  clearInterval(busy)
  t.ok(page.received().includes(long.subarray(0, 100)))
  const from = page.received().indexOf(long.subarray(0, 100))
  t.equal(page.received().length, from + 100, 'nothing behind the first part of it')
  app.socket.write(long.subarray(100))
  t.ok(await eventually(() => page.received().indexOf(long) === from, 5000))
})

t.test('C7.7 an upstream that does not read is closed with 1013 on both sides', async t => {
  const { page, app, reasons } = await start(t, 200)
  app.socket.pause()
  const message = frame({ mask: someMask, payload: Buffer.alloc(1000) })
  const flood = setInterval(() => { if (page.socket.writable) for (let i = 0; i < 1000 && page.socket.write(message); i++); }, 1)
  t.teardown(() => { clearInterval(flood) })
  t.ok(await eventually(() => closeCodeIn(page.received()) === closeCodes.tryAgainLater, 20_000))
  clearInterval(flood)
  t.ok(await eventually(() => reasons.length === 1, 10_000))
  t.same(reasons, ['upstream stalled'])
})

t.test('C7.7 a client that does not read holds its upstream no longer than two intervals', async t => {
  const { page, app, reasons } = await start(t, 200)
  page.socket.pause()
  const message = frame({ payload: Buffer.alloc(1000) })
  const flood = setInterval(() => { if (app.socket.writable) for (let i = 0; i < 1000 && app.socket.write(message); i++); }, 1)
  t.teardown(() => { clearInterval(flood) })
  t.ok(await isClosed(app.socket))
  t.ok(await eventually(() => reasons.length === 1, 10_000))
  t.match(reasons[0], /^client (?:stalled|gone)$/)
})

t.test('a goodbye waits for the end of a frame, in each direction; nothing goes behind it', async t => {
  const { tunnel, page, app, reasons } = await start(t)
  const [down, up] = [frame({ payload: Buffer.alloc(300, 1) }), frame({ payload: Buffer.alloc(300, 2), mask: someMask })]
  app.socket.write(down.subarray(0, 50))
  page.socket.write(up.subarray(0, 50))
  t.ok(await eventually(() => page.received().length === 50 && app.received().length === 50, 5000))
  tunnel.close(closeCodes.policy, 'session-ended')
  app.socket.write(Buffer.concat([down.subarray(50), frame({ payload: 'late' })]))
  page.socket.write(Buffer.concat([up.subarray(50), frame({ payload: 'late', mask: someMask })]))
  t.ok(await isClosed(page.socket))
  t.ok(await isClosed(app.socket))
  t.ok(page.received().subarray(0, down.length).equals(down))
  t.equal(page.received().length, down.length + 4)
  t.equal(closeCodeIn(page.received()), 1008)
  t.ok(app.received().subarray(0, up.length).equals(up))
  t.equal(app.received().length, up.length + 8)
  t.equal(maskedCloseCode(app.received()), 1001)
  t.ok(await eventually(() => reasons.length === 1, 5000))
  t.same(reasons, ['session-ended'])
})

t.test('a goodbye that finds no gap is a cut', async t => {
  const { tunnel, page, app } = await start(t)
  app.socket.write(frame({ payload: Buffer.alloc(300) }).subarray(0, 50))
  t.ok(await eventually(() => page.received().length === 50, 5000))
  tunnel.close(closeCodes.goingAway, 'shutdown')
  t.ok(await isClosed(page.socket))
  t.equal(page.received().length, 50)
  t.ok(await isClosed(app.socket))
})

t.test('sides that have said goodbye to each other and do not close are cut', async t => {
  const { tunnel, page, app, reasons } = await start(t)
  const goodbye = Buffer.from([3, 232])
  page.socket.write(frame({ opcode: 8, payload: goodbye, mask: someMask }))
  app.socket.write(frame({ opcode: 8, payload: goodbye }))
  t.ok(await eventually(() => page.received().length === 4 && app.received().length === 8, 5000))
  tunnel.close(closeCodes.goingAway, 'shutdown')
  t.ok(await isClosed(page.socket))
  t.equal(page.received().length, 4, 'no second goodbye')
  t.ok(await eventually(() => reasons.length === 1, 15_000))
})
