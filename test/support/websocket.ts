/**
 * This file is both ends of WebSockets: an application that echoes what it gets, a client like a browser's, and frames for
 * those who write them byte by byte.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { connectRaw, type RawConnection, rawRequest } from './raw.ts'

export interface EchoUpstream {
  readonly origin: string
  /** Requests that asked for an upgrade. */
  readonly seen: readonly IncomingMessage[]
  /** The application's ends, in order. */
  readonly sockets: readonly WebSocket[]
  /** How its ends were closed: codes, in order. */
  readonly closed: readonly number[]
  /** TCP connections that are open. */
  readonly connections: () => number
}

/** Sends back what it gets; plain requests get `plain`. Speaks the subprotocols `chat` and `superchat`. */
export async function startEchoUpstream (
  t: Test, { tls, onSocket = echo }: { tls?: ServerOptions, onSocket?: (socket: WebSocket) => void } = {}
): Promise<EchoUpstream> {
  const seen: IncomingMessage[] = []
  const sockets: WebSocket[] = []
  const closed: number[] = []
  const connections = new Set<Socket>()
  const plain = (_request: IncomingMessage, response: ServerResponse): void => { response.end('plain') }
  const server = tls === undefined ? createServer(plain) : createTlsServer(tls, plain)
  const webSockets = new WebSocketServer({
    server, maxPayload: 2 ** 30, perMessageDeflate: true, handleProtocols: offered => [...offered].find(one => /chat/.test(one)) ?? false
  })
  server.on('connection', socket => {
    connections.add(socket)
    socket.once('close', () => { connections.delete(socket) })
  })
  webSockets.on('connection', (socket, request) => {
    seen.push(request)
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('close', code => { closed.push(code) })
    onSocket(socket)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of connections) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  const { port } = server.address() as AddressInfo
  return { origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, seen, sockets, closed, connections: () => connections.size }
}

function echo (socket: WebSocket): void {
  socket.on('message', (message, isBinary) => { socket.send(message, { binary: isBinary }) })
}

export interface Client {
  readonly socket: WebSocket
  /** The next message. */
  message (): Promise<Buffer>
  /** The code it was closed with. */
  readonly closed: Promise<number>
}

export interface ClientOptions {
  readonly cookie?: string | undefined
  /** A bearer token. */
  readonly token?: string
  /** Default: that of the address. Null sends none. */
  readonly origin?: string | null
  readonly protocols?: string[]
  readonly autoPong?: boolean
}

/** Opens a WebSocket that ends with the test. @throws an error whose message names the status when it is refused */
export async function openWebSocket (t: Test, url: string, options: ClientOptions = {}): Promise<Client> {
  const { cookie, token, origin = new URL(url).origin, protocols = [], autoPong = true } = options
  const headers = { ...(cookie === undefined ? {} : { cookie }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, {
    autoPong, headers, ...(origin === null ? {} : { origin })
  })
  t.teardown(() => { socket.terminate() })
  const messages: Buffer[] = []
  const waiting: Array<(message: Buffer) => void> = []
  socket.on('message', (message: Buffer) => {
    const next = waiting.shift()
    if (next === undefined) messages.push(message)
    else next(message)
  })
  socket.on('error', () => {})
  const closed = new Promise<number>(resolve => { socket.once('close', resolve) })
  const refused = once(socket, 'unexpected-response').then(([request, response]) => {
    request.destroy()
    throw new Error(`refused with ${response.statusCode} ${response.headers['scopegate-error'] ?? ''}`.trim())
  })
  const ended = closed.then(code => { throw new Error(`closed with ${code}`) })
  refused.catch(() => {})
  ended.catch(() => {})
  await Promise.race([once(socket, 'open'), refused, ended])
  return {
    socket,
    message: async () => messages.shift() ?? await new Promise(resolve => { waiting.push(resolve) }),
    closed
  }
}

export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ=='
export const sampleAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** The fields of a handshake without flaw, some replaced; null leaves one out. */
export function handshakeFields (changes: Record<string, string | null> = {}): Array<readonly [string, string]> {
  const fields: Record<string, string | null> = {
    Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': sampleKey, ...changes
  }
  return Object.entries(fields).filter((field): field is [string, string] => field[1] !== null)
}

/** Opens a WebSocket byte by byte. @throws when it is refused */
export async function openRaw (
  t: Test, { port, target }: { port: number, target: string }, changes: Record<string, string | null> = {}
): Promise<RawConnection> {
  const connection = await connectRaw(t, port)
  connection.send(rawRequest({ target, fields: handshakeFields({ Origin: `http://localhost:${port}`, ...changes }) }))
  const answer = await connection.answer()
  if (answer?.status !== 101) throw new Error(`refused with ${answer?.status} ${answer?.text()}`)
  return connection
}

export interface FrameParts {
  readonly opcode?: number
  readonly payload?: Buffer | string
  readonly isFinal?: boolean
  /** The reserved bits, as in the first byte. */
  readonly reserved?: number
  /** Undefined for a frame of a server. */
  readonly mask?: Buffer
  /** What the header says instead of the payload's length. */
  readonly claims?: number
}

export const someMask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** The bytes of a frame. */
export function frame ({ opcode = 2, payload = '', isFinal = true, reserved = 0, mask, claims }: FrameParts = {}): Buffer {
  const data = Buffer.from(payload)
  const length = claims ?? data.length
  const bit = mask === undefined ? 0 : 0x80
  const head = length < 126 ? Buffer.from([0, bit | length]) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10)
  if (length >= 65_536) {
    head[1] = bit | 127
    head.writeBigUInt64BE(BigInt(length), 2)
  } else if (length >= 126) {
    head[1] = bit | 126
    head.writeUInt16BE(length, 2)
  }
  head[0] = (isFinal ? 0x80 : 0) | reserved | opcode
  if (mask === undefined) return Buffer.concat([head, data])
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ mask[i % 4]!)])
}

/** The code of a Close frame of a server at the end of some bytes; undefined when there is none. */
export function closeCodeIn (bytes: Buffer): number | undefined {
  const at = bytes.length - 4
  return at >= 0 && bytes[at] === 0x88 && bytes[at + 1] === 2 ? bytes.readUInt16BE(at + 2) : undefined
}
