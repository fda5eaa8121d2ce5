/** This file writes requests into the request log: when they arrive, and again when they are answered. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { World } from '../world.ts'
import { loggedParametersOf } from './parameters.ts'
import type { RequestLogEntry } from './request-log.ts'

export const ADMIN_PREFIX = '/_emulator'

const entries = new WeakMap<FastifyRequest, RequestLogEntry>()

/** Status 0 stays for a request that never gets an answer. Admin calls are no part of the protocol, and carry secrets. */
export function logRequest (request: FastifyRequest, reply: FastifyReply, world: World): void {
  if (request.routeOptions.url?.startsWith(ADMIN_PREFIX)) return
  const entry = world.requests.add({
    at: new Date(world.clock.now()).toISOString(),
    method: request.method,
    path: request.url.split('?')[0]!,
    endpoint: request.routeOptions.config.endpoint ?? 'unknown',
    status: 0,
    aadsts: null
  }, loggedParametersOf(request))
  entries.set(request, entry)
  reply.raw.once('finish', () => { entry.status = reply.statusCode })
}

/** The code of an error, whatever form its answer has. */
export function logError (request: FastifyRequest, code: number): void {
  const entry = entries.get(request)
  if (entry !== undefined) entry.aadsts = code
}
