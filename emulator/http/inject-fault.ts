/** This file applies a pending fault to a request, before its endpoint sees it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Fault } from '../admin/faults.ts'
import { EntraError } from '../errors/entra-error.ts'
import type { World } from '../world.ts'
import { loggedParametersOf } from './parameters.ts'

const faultsOfRequests = new WeakMap<FastifyRequest, Fault>()

/** For the token endpoint, which lets a fault change its genuine answer. */
export const faultOf = (request: FastifyRequest): Fault | undefined => faultsOfRequests.get(request)

/** @throws EntraError for a fault with `aadsts`; the endpoint's own error handler gives it the right form */
export async function injectFault (request: FastifyRequest, reply: FastifyReply, world: World): Promise<unknown> {
  const endpoint = request.routeOptions.config.endpoint ?? 'unknown'
  const fault = world.faults.take(endpoint, loggedParametersOf(request))
  if (fault === undefined) return undefined
  faultsOfRequests.set(request, fault)
  if (fault.delayMs !== undefined) await sleep(fault.delayMs)
  reply.headers(fault.headers ?? {})
  if (fault.action === 'hang') return reply.hijack()
  if (fault.action === 'reset') return cut(request, reply)
  if (fault.action === 'html') return await reply.code(fault.status ?? 503).type('text/html').send('<!doctype html><h1>Service Unavailable</h1>')
  if (fault.aadsts !== undefined) throw errorOf(fault)
  return fault.status !== undefined || fault.body !== undefined ? await answer(fault, reply) : undefined
}

/** An abortive close where the socket can do it; the client sees ECONNRESET or an unexpected end. */
function cut (request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.raw.socket.destroy()
  return reply.hijack()
}

function errorOf (fault: Fault): EntraError {
  return new EntraError(fault.aadsts!, {
    ...(fault.claims === undefined ? {} : { claims: fault.claims }),
    ...(fault.suberror === undefined ? {} : { suberror: fault.suberror }),
    ...(fault.status === undefined ? {} : { status: fault.status })
  })
}

async function answer (fault: Fault, reply: FastifyReply): Promise<FastifyReply> {
  reply.code(fault.status ?? 200)
  if (typeof fault.body !== 'string') return await reply.type('application/json').send(JSON.stringify(fault.body ?? {}))
  if (reply.getHeader('content-type') === undefined) reply.type('text/plain')
  return await reply.send(fault.body)
}
