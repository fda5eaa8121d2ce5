/**
 * This file is a forward proxy on loopback, as companies have one before the internet. It knows names that nobody else
 * knows, so that a test has a Microsoft of its own under Microsoft's names.
 */
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface ConnectProxy {
  readonly url: string
  /** `host:port` of every tunnel that was asked for. */
  readonly asked: string[]
  /** `host:port` -> the port of loopback where it leads. Whatever is not in it is refused with 502. */
  readonly names: Map<string, number>
}

export interface ConnectProxyOptions {
  /** Without it everybody may use the proxy. */
  readonly credentials?: { readonly user: string, readonly password: string }
}

export async function startConnectProxy (t: Test, { credentials }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const asked: string[] = []
  const names = new Map<string, number>()
  const sockets = new Set<Socket>()
  const expected = credentials && `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`

  const server = createServer((_, response) => { response.writeHead(405).end() })
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const target = request.url!
    asked.push(target)
    keep(socket)
    const port = names.get(target)
    if (expected !== undefined && request.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n')
    } else if (port === undefined) {
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    } else {
      const onward = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        onward.write(head)
        socket.pipe(onward).pipe(socket)
      })
      keep(onward)
      onward.on('close', () => { socket.destroy() })
      socket.on('close', () => { onward.destroy() })
    }
  })

  function keep (socket: Socket): void {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => { sockets.delete(socket) })
  }

  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
  })
  const { port } = server.address() as AddressInfo
  const user = credentials === undefined ? '' : `${credentials.user}:${encodeURIComponent(credentials.password)}@`
  return { url: `http://${user}127.0.0.1:${port}`, asked, names }
}
