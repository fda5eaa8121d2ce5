/** This file writes the few ASN.1 DER types of an X.509 certificate (ITU-T X.690, section 8 and 10). */

/** One DER element: tag, length, content. */
export function element (tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body), body])
}

/** Short form below 128 bytes, else the number of length bytes with the high bit set, then the length. */
function lengthOf (body: Buffer): Buffer {
  if (body.length < 128) return Buffer.from([body.length])
  const bytes: number[] = []
  for (let rest = body.length; rest > 0; rest >>= 8) bytes.unshift(rest & 0xff)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}

export const sequence = (...content: readonly Uint8Array[]) => element(0x30, ...content)
export const set = (...content: readonly Uint8Array[]) => element(0x31, ...content)
export const octetString = (content: Uint8Array) => element(0x04, content)
export const utf8String = (text: string) => element(0x0c, Buffer.from(text, 'utf8'))
export const boolean = (value: boolean) => element(0x01, Buffer.from([value ? 0xff : 0]))
/** A bit string whose last byte has `unused` padding bits. */
export const bitString = (content: Uint8Array, unused = 0) => element(0x03, Buffer.from([unused]), content)
/** `[n] EXPLICIT`. */
export const explicit = (n: number, content: Uint8Array) => element(0xa0 | n, content)
/** `[n] IMPLICIT` of a primitive type. */
export const implicit = (n: number, content: Uint8Array) => element(0x80 | n, content)

/** A non-negative integer: a leading zero byte keeps a set high bit from meaning "negative". */
export function integer (bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const body = first < 0 ? Buffer.from([0]) : Buffer.from(bytes.subarray(first))
  return body[0]! & 0x80 ? element(0x02, Buffer.from([0]), body) : element(0x02, body)
}

/** An object identifier in dotted form; sub-identifiers are base 128, most significant first. */
export function oid (dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const group = [part & 0x7f]
    for (let left = part >> 7; left > 0; left >>= 7) group.unshift(0x80 | (left & 0x7f))
    bytes.push(...group)
  }
  return element(0x06, Buffer.from(bytes))
}

/** UTCTime, which RFC 5280 4.1.2.5 demands for dates before 2050. */
export function utcTime (at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]/g, '').slice(2, 14)
  return element(0x17, Buffer.from(`${digits}Z`, 'ascii'))
}
