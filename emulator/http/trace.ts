/** This file gives every request its ids, and every answer the headers Entra sends. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Trace } from '../errors/body.ts'
import type { World } from '../world.ts'
import { parametersOf, queryOf } from './parameters.ts'

const traceIds = new WeakMap<FastifyRequest, string>()

/** The same trace for the same request, however often asked. */
export function traceOf (request: FastifyRequest, world: World): Trace {
  const traceId = traceIds.get(request) ?? randomUUID()
  traceIds.set(request, traceId)
  const correlationId = parametersOf(request)['client-request-id'] ?? queryOf(request).get('client-request-id') ?? headerOf(request) ?? traceId
  const timestamp = new Date(world.clock.now()).toISOString().replace('T', ' ').replace(/\.\d+Z$/, 'Z')
  return { traceId, correlationId, timestamp }
}

function headerOf (request: FastifyRequest): string | undefined {
  const value = request.headers['client-request-id']
  return typeof value === 'string' ? value : undefined
}

/** `Date` follows the emulator's clock: a client that compares it with its own sees a moved one. */
export function setCommonHeaders (request: FastifyRequest, reply: FastifyReply, world: World): void {
  reply.header('date', new Date(world.clock.now()).toUTCString())
  reply.header('x-ms-request-id', traceOf(request, world).traceId)
  reply.header('x-content-type-options', 'nosniff')
  reply.header('referrer-policy', 'no-referrer')
  if (reply.getHeader('cache-control') === undefined) {
    reply.header('cache-control', 'no-store, no-cache').header('pragma', 'no-cache')
  }
}
