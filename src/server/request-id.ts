/** This file gives every request its id: the one that a trusted proxy has given it, or a new one. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { PeerOf } from '../proxy/peers.ts'

/**
 * UUIDs, ULIDs, nginx's hexadecimal digits, HAProxy's with colons: of characters that mean nothing in JSON, HTML, a header, a URL
 * or a shell, and short, since the id stands in every line of the request.
 */
const wellFormed = /^[A-Za-z0-9._:-]{1,128}$/

export type RequestIdOf = (request: IncomingMessage) => string

/** Whoever else sends an id could pass for another request in the log, there and at the upstream. */
export function requestIds (peerOf: PeerOf): RequestIdOf {
  return request => {
    // Of several fields of the name Node makes one text with commas, which is not well formed.
    const given = request.headers['x-request-id']
    return typeof given === 'string' && wellFormed.test(given) && peerOf(request).isTrusted ? given : randomUUID()
  }
}
