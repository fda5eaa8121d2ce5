/**
 * This file knows which requests of a gateway are under way: it ends when they are over, and those whose connection closes before
 * that are over, too.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The requests whose answer is not over yet. */
export interface UnderWay {
  /** A request came, and is to be answered with that. */
  add (response: ServerResponse): void
  /** An onResponse hook. */
  leave (request: FastifyRequest, reply: FastifyReply, done: () => void): void
  /** Says of all of them that it is the gateway that cuts them off, which it is about to do. */
  markCut (): void
  /** Resolves when there is none. */
  none (): Promise<void>
}

const pollMs = 20

/** The requests of a connection: nearly always it is one at a time, and a set would cost more than everything else here. */
class Connection {
  #one: ServerResponse | undefined
  readonly #others = new Set<ServerResponse>()

  add (response: ServerResponse): void {
    if (this.#one === undefined) this.#one = response
    else this.#others.add(response)
  }

  delete (response: ServerResponse): void {
    if (this.#one === response) this.#one = undefined
    else this.#others.delete(response)
  }

  all (): ServerResponse[] {
    return this.#one === undefined ? [...this.#others] : [this.#one, ...this.#others]
  }
}

/**
 * Keeps them by connection, which is listened to once: an answer that waits behind another is never told that its connection
 * closed, and Fastify tells of no answer that was not finished.
 */
export function countUnderWay (): UnderWay {
  const open = new Map<Socket, Connection>()

  function listenTo (socket: Socket): Connection {
    const connection = new Connection()
    open.set(socket, connection)
    socket.once('close', () => {
      open.delete(socket)
      for (const response of connection.all()) breakOff(response)
    })
    return connection
  }

  function all (): ServerResponse[] {
    return [...open.values()].flatMap(connection => connection.all())
  }

  return {
    add (response) {
      const { socket } = response.req
      if (socket.closed) {
        setImmediate(breakOff, response)
        return
      }
      const connection = open.get(socket) ?? listenTo(socket)
      connection.add(response)
    },
    leave (request, { raw }, done) {
      open.get(request.raw.socket)?.delete(raw)
      done()
    },
    markCut () {
      for (const response of all()) response.cutOffBy = 'gateway'
    },
    async none () {
      while (all().length > 0) await delay(pollMs)
    }
  }
}

/**
 * Fastify takes an error of a response for its end as well, and calls its onResponse hooks then: once, whichever comes first.
 * The code is the one that it takes for a client that left.
 */
function breakOff (response: ServerResponse): void {
  // Whoever answers later is not heard by anybody.
  response.on('error', () => {})
  response.emit('error', Object.assign(new Error('the connection closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' }))
}
