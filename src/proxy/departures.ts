/**
 * This file tells requests that their client has left. A connection is listened to once, however many requests it carries;
 * nearly always it is one at a time.
 */
import type { Socket } from 'node:net'

/** Somebody who is answering over a connection. */
export interface Answering {
  clientLeft (): void
}

const answering = Symbol('answering')
const others = Symbol('others')

interface Listened extends Socket {
  [answering]?: Answering | undefined
  /** Those that came while there was one: their client did not wait for its answer. */
  [others]?: Set<Answering>
}

/** From now on it is told when the connection closes. */
export function tellDeparture (socket: Listened, one: Answering): void {
  if (!(answering in socket)) socket.once('close', () => { tellAll(socket) })
  if (socket[answering] === undefined) {
    socket[answering] = one
    return
  }
  socket[others] ??= new Set()
  socket[others].add(one)
}

export function forgetDeparture (socket: Listened, one: Answering): void {
  if (socket[answering] === one) socket[answering] = undefined
  else socket[others]?.delete(one)
}

function tellAll (socket: Listened): void {
  socket[answering]?.clientLeft()
  for (const other of socket[others] ?? []) other.clientLeft()
}
