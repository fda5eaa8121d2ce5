/** This file reads Protocol Buffers without a schema: fields by their number, to be understood by whoever knows what they are. */

export interface Message {
  /** What came under a number, in order. */
  readonly all: (field: number) => readonly Value[]
}

type Value = bigint | Buffer

/** @throws RangeError for what is no message */
export function readMessage (bytes: Buffer): Message {
  const fields = new Map<number, Value[]>()
  for (let at = 0; at < bytes.length;) {
    const [tag, start] = readVarint(bytes, at)
    const [value, end] = readValue(bytes, start, Number(tag & 7n))
    const field = Number(tag >> 3n)
    fields.set(field, [...fields.get(field) ?? [], value])
    at = end
  }
  return { all: field => fields.get(field) ?? [] }
}

export function messagesOf (message: Message, field: number): Message[] {
  return message.all(field).map(value => readMessage(value as Buffer))
}

export function bytesOf (message: Message, field: number): Buffer {
  return (message.all(field)[0] ?? Buffer.alloc(0)) as Buffer
}

export function numberOf (message: Message, field: number): bigint | undefined {
  return message.all(field)[0] as bigint | undefined
}

function readValue (bytes: Buffer, at: number, wireType: number): [Value, end: number] {
  switch (wireType) {
    case 0: return readVarint(bytes, at)
    case 1: return [bytes.readBigUInt64LE(at), at + 8]
    case 2: {
      const [length, start] = readVarint(bytes, at)
      const end = start + Number(length)
      if (end > bytes.length) throw new RangeError('a field is longer than its message')
      return [bytes.subarray(start, end), end]
    }
    case 5: return [BigInt(bytes.readUInt32LE(at)), at + 4]
    default: throw new RangeError(`wire type ${wireType}`)
  }
}

function readVarint (bytes: Buffer, start: number): [bigint, end: number] {
  let value = 0n
  for (let at = start, shift = 0n; ; at++, shift += 7n) {
    const byte = bytes.readUInt8(at)
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return [value, at + 1]
  }
}
