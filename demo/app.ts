/**
 * This file runs one of the demo's small web servers. They listen on loopback only: what stands behind a gateway must not
 * be reachable past it.
 */
import fastify, { type FastifyInstance } from 'fastify'

/** Something that listens and can be ended. */
export interface Running {
  readonly url: string
  close (): Promise<void>
}

/** Without a log; connections that a browser keeps open do not delay its end. */
export function createApp (): FastifyInstance {
  return fastify({ forceCloseConnections: true })
}

/**
 * Listens on IPv4 loopback.
 *
 * @param port - 0 takes any free one
 */
export async function listen (app: FastifyInstance, port: number): Promise<Running> {
  const url = await app.listen({ host: '127.0.0.1', port })
  return { url, close: async () => { await app.close() } }
}
