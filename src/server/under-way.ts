/** This file knows which requests of a gateway are under way: it ends when they are over. */
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The requests whose answer is not over yet. */
export interface UnderWay {
  /** A request came over that connection. */
  add (socket: Socket): void
  /** An onResponse hook. */
  leave (request: FastifyRequest, reply: FastifyReply, done: () => void): void
  /** Resolves when there is none. */
  none (): Promise<void>
}

const pollMs = 20

/**
 * Counts by connection: an answer that waits behind another is never told that its connection closed, and would be counted
 * for ever.
 */
export function countUnderWay (): UnderWay {
  const counts = new Map<Socket, number>()
  return {
    add (socket) {
      if (socket.closed) return
      const count = counts.get(socket)
      if (count === undefined) socket.once('close', () => { counts.delete(socket) })
      counts.set(socket, (count ?? 0) + 1)
    },
    leave ({ raw: { socket } }, _reply, done) {
      const count = counts.get(socket)
      if (count !== undefined) counts.set(socket, count - 1)
      done()
    },
    async none () {
      while ([...counts.values()].some(count => count > 0)) await delay(pollMs)
    }
  }
}
