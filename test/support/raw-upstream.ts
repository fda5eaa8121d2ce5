/**
 * This file is an application behind the gateway that answers in bytes of the test's choice: broken framing, silence, and
 * everything else that Node's own server would not send.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface RawUpstream {
  readonly origin: string
  readonly port: number
  /** Header sections that have arrived, in order, over all connections. */
  readonly requests: readonly string[]
  /** Connections ever accepted. */
  readonly connections: () => number
  /** Connections that have brought a request and are still open. A client may hold spare ones that have not. */
  readonly busy: () => number
  /** Everything that has arrived, over all connections. */
  readonly received: () => string
}

/** Called for each header section that has arrived; the body, if any, is only counted in `received`. */
export type RawAnswerer = (socket: Socket, head: string, index: number) => void

/** Starts an upstream on a free port of loopback. Requests with bodies that contain an empty line are not understood. */
export async function startRawUpstream (t: Test, answer: RawAnswerer): Promise<RawUpstream> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const busy = new Set<Socket>()
  let connections = 0
  let received = ''
  const server = createServer(socket => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      sockets.delete(socket)
      busy.delete(socket)
    })
    let pending = ''
    socket.on('data', chunk => {
      const text = chunk.toString('latin1')
      received += text
      pending += text
      for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
        const head = pending.slice(0, end)
        pending = pending.slice(end + 4)
        if (!/^[A-Z]+ \S+ HTTP\/1\.1(?:\r\n|$)/m.test(head)) continue
        requests.push(head)
        busy.add(socket)
        answer(socket, head, requests.length - 1)
      }
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    requests,
    connections: () => connections,
    busy: () => busy.size,
    received: () => received
  }
}
