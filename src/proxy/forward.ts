/**
 * This file is the way of a request to its upstream: what of it goes there, and what may be sent once more.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { type CompiledRoute, rewritePath } from '../config/compile.ts'
import { errors } from '../errors.ts'
import { Exchange } from './exchange.ts'
import { overloaded } from './failure.ts'
import { declaredLength, hasBody, isShort, limitedBody, readBody } from './request-body.ts'
import type { RequestHeaderWriter } from './request-headers.ts'
import type { ResponseHeaderWriter } from './response-headers.ts'
import { isChallengeable, type StepUp } from './step-up.ts'
import type { Streams } from './streams.ts'
import { maxInFlight, type Upstream } from './upstreams.ts'

/** A route with everything that its requests need, made once at start. */
export interface ForwardPlan {
  readonly route: CompiledRoute
  readonly upstream: Upstream
  readonly writeRequestHeaders: RequestHeaderWriter
  readonly writeResponseHeaders: ResponseHeaderWriter
  readonly streams: Streams
  /** Meets claims challenges; undefined where they pass like any other answer. */
  readonly stepUp: StepUp | undefined
}

/** The last step of a proxied request: from here on the answer is the upstream's. */
export function forward (plan: ForwardPlan, request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request
  if (declaredLength(raw) > plan.route.maxBodyBytes) {
    reply.send(new errors.SG_BODY_TOO_LARGE())
  } else if (isChallengeable(plan, request) && isShort(raw)) {
    letContinue(reply)
    readBody(raw, body => { dispatchRead(plan, reply, body) })
  } else {
    dispatch(plan, reply, undefined)
  }
}

/** Nobody above catches what is thrown once a body has been read. */
function dispatchRead (plan: ForwardPlan, reply: FastifyReply, body: Buffer): void {
  try {
    dispatch(plan, reply, body)
  } catch (error) {
    reply.send(error as Error)
  }
}

/** @param kept - the body, if it was read already so that it can be sent once more */
function dispatch (plan: ForwardPlan, reply: FastifyReply, kept: Buffer | undefined): void {
  const { request } = reply
  const { route, upstream } = plan
  const { raw } = request
  if (isOverloaded(upstream)) {
    reply.send(overloaded())
    return
  }
  if (raw.socket.destroyed) {
    // The client left while a guard waited: nobody is there for an answer, and nothing would tell the exchange so.
    reply.hijack()
    return
  }
  const body = kept ?? (hasBody(raw) ? limitedBody(raw, route.maxBodyBytes) : null)
  if (kept === undefined && body !== null) letContinue(reply)
  const exchange = new Exchange(plan, reply)
  if (route.streaming) exchange.endWithSession()
  exchange.send({
    path: pathFor(route, request),
    method: raw.method as Dispatcher.HttpMethod,
    headers: headersFor(plan, request),
    body,
    headersTimeout: route.timeouts.headersSeconds * 1000,
    bodyTimeout: route.streaming ? 0 : route.timeouts.bodySeconds * 1000
  })
}

/** A client that waits for leave to send its body gets it (RFC 9110, section 10.1.1). */
function letContinue ({ request, raw }: FastifyReply): void {
  if (request.raw.headers.expect !== undefined && request.raw.httpVersionMinor === 1) raw.writeContinue()
}

/** The path and query that the upstream gets. */
export function pathFor (route: CompiledRoute, { raw }: FastifyRequest): string {
  const target = raw.target!
  return route.upstreamUrl.basePath + rewritePath(route, target.path) + target.query
}

/** The header section that the upstream gets: a flat list of names and values. */
export function headersFor ({ writeRequestHeaders }: ForwardPlan, request: FastifyRequest): string[] {
  const user = request.live?.session ?? request.caller
  return writeRequestHeaders(request.raw, { claims: user?.claims, bearer: request.bearer, requestId: request.id })
}

export function isOverloaded (upstream: Upstream): boolean {
  return upstream.inFlight >= maxInFlight
}
