/**
 * This file knows whether a request has a body, how long it may be, and whether it has been read; short ones it reads.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { errors } from '../errors.ts'

/** Content-Length, -1 when the length is not declared. Node has checked that it is a number. */
export function declaredLength (request: IncomingMessage): number {
  const field = request.headers['content-length']
  return field === undefined ? -1 : Number(field)
}

export function hasBody (request: IncomingMessage): boolean {
  return declaredLength(request) > 0 || request.headers['transfer-encoding'] !== undefined
}

/** Bodies up to this length may be kept in memory, so that they can be sent once more. */
const maxShortBytes = 65_536

/** Whether a request has a body that is known to be short. */
export function isShort (request: IncomingMessage): boolean {
  const length = declaredLength(request)
  return length > 0 && length <= maxShortBytes
}

/** Reads a short body to its end: most are there in one piece. Never calls back when the client leaves before that. */
export function readBody (request: IncomingMessage, onRead: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  request.on('data', chunk => { chunks.push(chunk) })
  request.once('end', () => { onRead(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)) })
}

/** The body, at most so long. A declared length is enforced by the parser; an undeclared one is counted on the way. */
export function limitedBody (request: IncomingMessage, maxBytes: number): Readable {
  return declaredLength(request) >= 0 ? request : Readable.from(counted(request, maxBytes), { objectMode: false })
}

async function * counted (body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let seen = 0
  for await (const chunk of body) {
    seen += chunk.length
    if (seen > maxBytes) throw new errors.SG_BODY_TOO_LARGE()
    yield chunk
  }
}

/**
 * Closes the connection after an answer that comes before its request was read to the end: what is left of the body would
 * be read as the next request (RFC 9112, section 9.3).
 */
export function closeIfUnread (request: IncomingMessage, response: ServerResponse): void {
  if (hasBody(request) && !request.complete) response.shouldKeepAlive = false
}
