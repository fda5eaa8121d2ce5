/**
 * This file takes connections whose clients ask for WebSocket out of Node's hands: each is answered like any other request,
 * and either becomes a tunnel or is closed.
 */
import { IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'

const asked = Symbol('asked')

/**
 * A request as Node parses it. Once anybody listens for upgrades, Node hands over the connection of every request that names
 * a protocol, whichever: one that a server does not know has to be left aside instead (RFC 9110, section 7.8), and `curl
 * --http2` posts bodies behind one.
 */
export class Incoming extends IncomingMessage {
  declare [asked]: boolean | null

  /** Node writes what its parser thinks, and reads it back once the header section is there. */
  get upgrade (): boolean {
    return this[asked] === true && (this.method === 'CONNECT' || this.headers.upgrade?.toLowerCase() === 'websocket')
  }

  set upgrade (value: boolean | null) {
    this[asked] = value
  }
}

/**
 * Who ends an upload early ends its request, and with that its connection, which the answer is yet to be sent on. undici lets go
 * of the connection first, but only for what has Node's own class as its constructor.
 */
Object.defineProperty(Incoming.prototype, 'constructor', { value: IncomingMessage })

/** For what is still on its way to the client after an answer, and for its own end. */
const hangUpMs = 500

/**
 * @param admit - answers a request
 * @returns cuts all of these connections: Node does not count them among its own any more
 */
export function acceptUpgrades (
  server: Server<typeof Incoming>, admit: (request: IncomingMessage, response: ServerResponse) => void
): () => void {
  const sockets = new Set<Duplex>()
  server.on('upgrade', (request, socket, head) => {
    request.isUpgrade = true
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
    socket.on('error', () => {})
    if (head.length > 0) socket.unshift(head)
    admit(request, responseTo(request, socket as Socket))
  })
  return () => { for (const socket of sockets) socket.destroy() }
}

/** The response that Node makes for other requests. With a 101 the connection is let go, with anything else it ends. */
function responseTo (request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.assignSocket(socket)
  const drained = (): void => { response.emit('drain') }
  socket.on('drain', drained)
  response.once('finish', () => {
    socket.off('drain', drained)
    response.detachSocket(socket)
    response.emit('close')
    if (response.statusCode !== 101) hangUp(socket)
  })
  return response
}

/** Reads on for a moment: a connection that is closed with something unread is reset, and its answer may get lost. */
function hangUp (socket: Socket): void {
  const cut = setTimeout(() => { socket.destroy() }, hangUpMs)
  socket.once('close', () => { clearTimeout(cut) })
  socket.resume()
  socket.end()
}
