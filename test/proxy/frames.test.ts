/** This file checks the follower of frame headers: what passes, where a gap is, and what is a flaw, in pieces of any size. */
import fc from 'fast-check'
import t from 'tap'
import { closeFrame, followFrames, masked, pingFrame, type Sender } from '../../src/proxy/frames.ts'
import { frame, type FrameParts, someMask } from '../support/websocket.ts'

const limit = 1000
const ofClient = (parts: FrameParts = {}): Buffer => frame({ mask: someMask, ...parts })

/** Follows bytes in pieces. */
function run (pieces: readonly Buffer[], { sender = 'client', max = limit }: { sender?: Sender, max?: number } = {}) {
  const follower = followFrames(sender, max)
  const passed: Buffer[] = []
  for (const piece of pieces) {
    const one = follower.follow(piece)
    passed.push(one.passed)
    if (one.flaw !== undefined) return { passed: Buffer.concat(passed), flaw: one.flaw, follower }
  }
  return { passed: Buffer.concat(passed), flaw: undefined, follower }
}

const bytesOf = (whole: Buffer): Buffer[] => [...whole].map(byte => Buffer.from([byte]))

t.test('frames of every length pass as they are, whole or byte by byte', async t => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) {
    const bytes = ofClient({ payload: Buffer.alloc(length, 7) })
    const max = { max: 100_000 }
    for (const pieces of [[bytes], ...(length < 1000 ? [bytesOf(bytes)] : [])]) {
      const { passed, flaw, follower } = run(pieces, max)
      t.equal(flaw, undefined)
      t.ok(passed.equals(bytes), `${length} in ${pieces.length}`)
      t.ok(follower.isBetweenFrames())
    }
  }
})

t.test('a header that is not whole is kept back, and nothing of the frame has begun', async t => {
  const bytes = ofClient({ payload: Buffer.alloc(300) })
  for (let cut = 1; cut < 8; cut++) {
    const { passed, follower } = run([bytes.subarray(0, cut)])
    t.equal(passed.length, 0)
    t.ok(follower.isBetweenFrames())
    t.ok(follower.follow(bytes.subarray(cut)).passed.equals(bytes))
  }
  t.notOk(run([bytes.subarray(0, 9)]).follower.isBetweenFrames())
})

t.test('what breaks the protocol is 1002, what is too long 1009, and the frame before it has passed', async t => {
  const text = (payload: string, isFinal: boolean) => ofClient({ opcode: 1, payload, isFinal })
  const rows: Array<[what: string, frames: Buffer[], flaw: number | undefined]> = [
    ['reserved bit 1, as of compression', [ofClient({ reserved: 0x40 })], 1002],
    ['reserved bit 2', [ofClient({ reserved: 0x20 })], 1002],
    ['reserved bit 3', [ofClient({ reserved: 0x10 })], 1002],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer[], number] => [`opcode ${opcode}`, [ofClient({ opcode })], 1002]),
    ['a frame that is not masked', [frame()], 1002],
    ['a ping in pieces', [ofClient({ opcode: 9, isFinal: false })], 1002],
    ['a ping of 126 bytes', [ofClient({ opcode: 9, payload: Buffer.alloc(126) })], 1002],
    ['a ping of 125 bytes', [ofClient({ opcode: 9, payload: Buffer.alloc(125) })], undefined],
    ['a pong that nobody asked for', [ofClient({ opcode: 10, payload: 'x' })], undefined],
    ['half a close code', [ofClient({ opcode: 8, payload: 'x' })], 1002],
    ['a continuation of nothing', [ofClient({ opcode: 0 })], 1002],
    ['a continuation of a whole message', [text('a', true), ofClient({ opcode: 0 })], 1002],
    ['a message within another', [text('a', false), text('b', true)], 1002],
    ['a message in pieces with a ping in between',
      [text('a', false), ofClient({ opcode: 9 }), ofClient({ opcode: 0, isFinal: false }), ofClient({ opcode: 0 }), text('b', true)], undefined],
    ['a length that needs no field of its own', [Buffer.from([0x82, 0xfe, 0, 125, 0, 0, 0, 0])], 1002],
    ['a short length in a long field', [Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0])], 1002],
    ['a length with its first bit set', [Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])], 1002],
    ['the limit', [ofClient({ payload: Buffer.alloc(limit) })], undefined],
    ['one byte more', [ofClient({ claims: limit + 1 })], 1009],
    ['a GiB', [ofClient({ claims: 2 ** 30 })], 1009],
    ['9 PB', [Buffer.from([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0])], 1009],
    ['the limit over two pieces', [ofClient({ payload: Buffer.alloc(600), isFinal: false }), ofClient({ opcode: 0, payload: Buffer.alloc(400) })], undefined],
    ['one byte more over two pieces', [ofClient({ payload: Buffer.alloc(600), isFinal: false }), ofClient({ opcode: 0, claims: 401 })], 1009],
    ['two messages of the limit', [ofClient({ payload: Buffer.alloc(limit) }), ofClient({ payload: Buffer.alloc(limit) })], undefined]
  ]
  for (const [what, frames, flaw] of rows) {
    const before = ofClient({ opcode: 9 })
    const bytes = Buffer.concat([before, ...frames])
    for (const pieces of [[bytes], bytesOf(bytes)]) {
      const result = run(pieces)
      t.equal(result.flaw, flaw, `${what}, in ${pieces.length}`)
      const expected = flaw === undefined ? bytes : bytes.subarray(0, bytes.length - frames.at(-1)!.length)
      t.ok(result.passed.equals(expected), what)
    }
  }
  t.equal(run([frame({ mask: someMask })], { sender: 'server' }).flaw, 1002, 'a server that masks')
  t.equal(run([frame({ payload: 'x' })], { sender: 'server' }).flaw, undefined)
})

t.test('after a Close frame nothing passes, and nothing may be put in', async t => {
  const close = ofClient({ opcode: 8, payload: Buffer.from([3, 232]) })
  const { passed, flaw, follower } = run([Buffer.concat([close, ofClient({ payload: 'more' })]), ofClient({ reserved: 0x70 })])
  t.ok(passed.equals(close))
  t.equal(flaw, undefined)
  t.ok(follower.hasClosed())
  t.notOk(follower.isBetweenFrames())
  t.equal(follower.follow(ofClient()).gap, -1)
})

t.test('a gap is the first place between two frames', async t => {
  const long = ofClient({ payload: Buffer.alloc(100) })
  const follower = followFrames('client', limit)
  t.equal(follower.follow(long.subarray(0, 50)).gap, 0)
  t.notOk(follower.isBetweenFrames())
  t.equal(follower.follow(long.subarray(50, 60)).gap, -1)
  const rest = Buffer.concat([long.subarray(60), ofClient({ payload: 'next' })])
  t.equal(follower.follow(rest).gap, long.length - 60)
})

const anyFrame = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 2, 8, 9, 10, 3),
  payload: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
  isFinal: fc.boolean(),
  reserved: fc.constantFrom(0, 0, 0, 0, 0x40),
  mask: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(bytes => Buffer.from(bytes))
})

t.test('how bytes are cut into pieces changes nothing: not what passes, nor the flaw, nor where gaps are', async () => {
  const stream = fc.array(anyFrame, { maxLength: 8 }).map(frames => Buffer.concat(frames.map(frame)))
  const cuts = fc.array(fc.nat(2000), { maxLength: 12 })
  const noise = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes))
  fc.assert(fc.property(fc.oneof(stream, noise), cuts, (bytes, places) => {
    const ends = [...new Set([...places.filter(place => place < bytes.length), bytes.length])].sort((a, b) => a - b)
    const whole = run([bytes])
    const cut = run(ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)))
    const [one, other] = [whole.follower, cut.follower]
    return whole.flaw === cut.flaw && whole.passed.equals(cut.passed) &&
      bytes.subarray(0, whole.passed.length).equals(whole.passed) &&
      one.isBetweenFrames() === other.isBetweenFrames() && one.hasClosed() === other.hasClosed()
  }), { numRuns: 3000 })
})

t.test('our own frames are frames', async t => {
  for (const own of [pingFrame, closeFrame(1001)]) {
    t.equal(run([own], { sender: 'server' }).flaw, undefined)
    const ofUs = masked(own)
    t.equal(run([ofUs]).flaw, undefined)
    t.ok(run([ofUs]).passed.equals(ofUs))
  }
  const ofUs = masked(closeFrame(1013))
  const payload = ofUs.subarray(6).map((byte, i) => byte ^ ofUs[2 + i]!)
  t.equal(Buffer.from(payload).readUInt16BE(0), 1013)
})
