/**
 * This file follows the frame headers of a WebSocket connection (RFC 6455, section 5.2), without touching a payload: to know
 * how long messages are, and where a frame of ours may be put in.
 */
import { randomBytes } from 'node:crypto'

/** A close code that a sender has earned: it broke the protocol, or its message is too long (RFC 6455, section 7.4.1). */
export type Flaw = 1002 | 1009

/** What became of some bytes. */
export interface Followed {
  /** What may go on: everything before a header that is not whole yet, or not allowed. */
  readonly passed: Buffer
  /** The first place in `passed` that is between two frames; -1 when there is none. */
  readonly gap: number
  readonly flaw: Flaw | undefined
}

export interface FrameFollower {
  /** Takes bytes as they come, in pieces of any size. Not to be called again after a flaw. */
  follow (bytes: Buffer): Followed
  /** Whether a frame may be put in behind what has passed. */
  isBetweenFrames (): boolean
  /** Whether a Close frame has passed: its sender has nothing more to say, and nothing may be put in. */
  hasClosed (): boolean
}

/** Clients mask what they send, servers do not; each the other way round is an error (RFC 6455, section 5.1). */
export type Sender = 'client' | 'server'

interface Header {
  readonly opcode: number
  readonly isFinal: boolean
  /** Length of the header itself, mask included. */
  readonly headerBytes: number
  readonly payloadBytes: number
}

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const known: ReadonlySet<number> = new Set(Object.values(opcodes))
const nothing = Buffer.alloc(0)

/** @param maxMessageBytes - of one message, over all of its fragments */
export function followFrames (sender: Sender, maxMessageBytes: number): FrameFollower {
  /** A header that has not come whole. It is kept back, so that a frame that is not allowed never begins. */
  let held = nothing
  /** Payload of the present frame that is still to come. */
  let remaining = 0
  /** Payload so far of a message whose last fragment has not come; undefined between messages. */
  let message: number | undefined
  let isClosed = false

  function follow (chunk: Buffer): Followed {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    held = nothing
    let at = pay(bytes, 0)
    const gap = remaining === 0 && !isClosed ? at : -1
    while (remaining === 0 && !isClosed && at < bytes.length) {
      const header = readHeader(bytes.subarray(at), sender)
      if (header === 'incomplete') {
        held = Buffer.from(bytes.subarray(at))
        break
      }
      const flaw = header === 'malformed' ? 1002 : enter(header)
      if (flaw !== undefined) return { passed: bytes.subarray(0, at), gap, flaw }
      at = pay(bytes, at + (header as Header).headerBytes)
    }
    return { passed: bytes.subarray(0, at), gap, flaw: undefined }
  }

  /** Goes over payload. @returns where it ends, or the bytes do */
  function pay (bytes: Buffer, from: number): number {
    const paid = Math.min(remaining, bytes.length - from)
    remaining -= paid
    return from + paid
  }

  /** A frame begins, if it may. */
  function enter ({ opcode, isFinal, payloadBytes }: Header): Flaw | undefined {
    if (opcode < opcodes.close) {
      const continues = opcode === opcodes.continuation
      if (continues !== (message !== undefined)) return 1002
      const length = (message ?? 0) + payloadBytes
      if (length > maxMessageBytes) return 1009
      message = isFinal ? undefined : length
    }
    isClosed = opcode === opcodes.close
    remaining = payloadBytes
    return undefined
  }

  return {
    follow,
    isBetweenFrames: () => remaining === 0 && !isClosed,
    hasClosed: () => isClosed
  }
}

function readHeader (bytes: Buffer, sender: Sender): Header | 'incomplete' | 'malformed' {
  if (bytes.length < 2) return 'incomplete'
  const first = bytes[0]!
  const opcode = first & 0x0f
  const isMasked = (bytes[1]! & 0x80) !== 0
  // No extension is ever agreed on, so the three reserved bits have no meaning (RFC 6455, section 5.2).
  if ((first & 0x70) !== 0 || !known.has(opcode) || isMasked !== (sender === 'client')) return 'malformed'
  const short = bytes[1]! & 0x7f
  const isFinal = (first & 0x80) !== 0
  if (opcode >= opcodes.close && (!isFinal || short > 125 || (opcode === opcodes.close && short === 1))) return 'malformed'
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0
  const headerBytes = 2 + lengthBytes + (isMasked ? 4 : 0)
  if (bytes.length < headerBytes) return 'incomplete'
  const payloadBytes = lengthBytes === 0 ? short : longLength(bytes, lengthBytes)
  return payloadBytes === undefined ? 'malformed' : { opcode, isFinal, headerBytes, payloadBytes }
}

/** A length in its own field; undefined when a shorter form had to be used, or its first bit is set. */
function longLength (bytes: Buffer, lengthBytes: number): number | undefined {
  if (lengthBytes === 2) {
    const length = bytes.readUInt16BE(2)
    return length > 125 ? length : undefined
  }
  const high = bytes.readUInt32BE(2)
  const length = high * 2 ** 32 + bytes.readUInt32BE(6)
  return high < 2 ** 31 && length > 0xffff ? length : undefined
}

export const pingFrame = Buffer.from([0x80 | opcodes.ping, 0])

/** A server's Close frame. */
export function closeFrame (code: number): Buffer {
  return Buffer.from([0x80 | opcodes.close, 2, code >> 8, code & 0xff])
}

/** A short frame as a client has to send it: masked with bytes that nobody can foresee (RFC 6455, section 5.3). */
export function masked (frame: Buffer): Buffer {
  const mask = randomBytes(4)
  const payload = frame.subarray(2).map((byte, i) => byte ^ mask[i % 4]!)
  return Buffer.concat([Buffer.from([frame[0]!, frame[1]! | 0x80]), mask, payload])
}
