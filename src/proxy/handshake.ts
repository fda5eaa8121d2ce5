/**
 * This file reads both halves of a WebSocket handshake: what a client asks for, and whether the upstream's 101 answers that
 * (RFC 6455, sections 4.2.1 and 4.1).
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What a client asks for. */
export interface Handshake {
  readonly kind: 'handshake'
  readonly key: string
  /** Subprotocols in order of preference; often none. */
  readonly protocols: readonly string[]
}

/** A handshake that is not one. Its status is 426 when only the version is in the way. */
export interface BrokenHandshake {
  readonly kind: 'refused'
  readonly status: 400 | 426
  /** For the log. */
  readonly why: string
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** 16 bytes in base64: the last of the 22 digits has four bits that mean nothing and are zero. */
const sixteenBytes = /^[A-Za-z0-9+/]{21}[AQgw]==$/

/** Reads a client's half. Whatever the client adds beyond the standard's list is not looked at. */
export function readHandshake (
  { method, httpVersion, headers }: Pick<IncomingMessage, 'method' | 'httpVersion' | 'headers'>
): Handshake | BrokenHandshake {
  if (method !== 'GET' || httpVersion !== '1.1') return refused('not-a-get-of-http-1.1')
  if (headers.upgrade?.toLowerCase() !== 'websocket') return refused('another-protocol')
  if (!listOf(headers.connection).some(option => option.toLowerCase() === 'upgrade')) return refused('no-connection-upgrade')
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') return refused('a-body')
  const key = headers['sec-websocket-key']
  if (key === undefined || !sixteenBytes.test(key)) return refused('no-key')
  const version = headers['sec-websocket-version']
  if (version === undefined) return refused('no-version')
  if (version !== '13') return { kind: 'refused', status: 426, why: 'another-version' }
  const protocols = listOf(headers['sec-websocket-protocol'])
  const areProtocols = protocols.every(protocol => token.test(protocol)) && new Set(protocols).size === protocols.length
  return areProtocols ? { kind: 'handshake', key, protocols } : refused('subprotocols')
}

function refused (why: string): BrokenHandshake {
  return { kind: 'refused', status: 400, why }
}

/** The elements of a list field; a field that is not there has none. */
function listOf (field: string | undefined): string[] {
  return field === undefined ? [] : field.split(',').map(element => element.trim())
}

/** What a server makes of the key to show that it understood (RFC 6455, section 1.3). */
export function acceptOf (key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/**
 * What is wrong with an upstream's 101; undefined when it fits the request: this key, one of the subprotocols that were
 * offered or none, and no extension, since none is ever offered.
 *
 * @param raw - names and values in turn, as undici hands them over
 */
export function flawOfAnswer (raw: readonly Buffer[], { key, protocols }: Handshake): string | undefined {
  const fields = new Map<string, string>()
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toString('latin1').toLowerCase()
    const before = fields.get(name)
    const value = raw[i + 1]!.toString('latin1').trim()
    fields.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  if (fields.get('upgrade')?.toLowerCase() !== 'websocket') return 'another-protocol'
  if (!listOf(fields.get('connection')).some(option => option.toLowerCase() === 'upgrade')) return 'no-connection-upgrade'
  if (fields.get('sec-websocket-accept') !== acceptOf(key)) return 'another-accept'
  if (fields.has('sec-websocket-extensions')) return 'an-extension'
  const protocol = fields.get('sec-websocket-protocol')
  return protocol === undefined || protocols.includes(protocol) ? undefined : 'another-subprotocol'
}
