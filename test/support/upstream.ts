/**
 * This file is an application behind the gateway: it answers with what it saw, and remembers it.
 */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

/** A request as an upstream saw it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface TestUpstream {
  readonly origin: string
  readonly port: number
  readonly seen: readonly Seen[]
  /** Requests that are not answered yet. */
  inFlight (): number
}

type Answer = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void

function echo (_request: IncomingMessage, response: ServerResponse, seen: Seen): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(seen))
}

/** Starts an upstream on a free port of loopback. Without an answer of its own it echoes. */
export async function startUpstream (
  t: Test, { answer = echo, tls }: { answer?: Answer, tls?: ServerOptions } = {}
): Promise<TestUpstream> {
  const seen: Seen[] = []
  let inFlight = 0
  const listener: RequestListener = (request, response) => {
    inFlight++
    response.once('close', () => { inFlight-- })
    const chunks: Buffer[] = []
    request.on('data', chunk => { chunks.push(chunk) })
    request.on('error', () => {})
    request.on('end', () => {
      const { method = '', url = '', rawHeaders, headers } = request
      const one = { method, url, rawHeaders, headers, body: Buffer.concat(chunks).toString() }
      seen.push(one)
      answer(request, response, one)
    })
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  const { port } = server.address() as AddressInfo
  return { origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, port, seen, inFlight: () => inFlight }
}
