/**
 * This file is the data path: a request goes to its upstream, and the answer to the client, with back-pressure and abort
 * in both directions. Nothing is retried, followed, inflated or buffered.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { type CompiledRoute, rewritePath } from '../config/compile.ts'
import { errors } from '../errors.ts'
import { upstreamFailure } from './failure.ts'
import { closeIfUnread, declaredLength, hasBody, limitedBody } from './request-body.ts'
import type { RequestHeaderWriter } from './request-headers.ts'
import type { ResponseHeaderWriter } from './response-headers.ts'
import { connections, maxInFlight, type Upstream } from './upstreams.ts'

/** A route with everything that its requests need, made once at start. */
export interface ForwardPlan {
  readonly route: CompiledRoute
  readonly upstream: Upstream
  readonly writeRequestHeaders: RequestHeaderWriter
  readonly writeResponseHeaders: ResponseHeaderWriter
}

/** The last step of a proxied request: from here on the answer is the upstream's. */
export function forward (plan: ForwardPlan, request: FastifyRequest, reply: FastifyReply): void {
  const { route, upstream } = plan
  const raw = request.raw
  if (declaredLength(raw) > route.maxBodyBytes) {
    reply.send(new errors.SG_BODY_TOO_LARGE())
    return
  }
  if (upstream.inFlight >= maxInFlight) {
    reply.header('retry-after', '1').send(new errors.SG_OVERLOADED())
    return
  }
  if (raw.socket.destroyed) {
    // The client left while a guard waited: nobody is there for an answer, and nothing would tell the exchange so.
    reply.hijack()
    return
  }
  const body = hasBody(raw) ? limitedBody(raw, route.maxBodyBytes) : null
  if (body !== null && raw.headers.expect !== undefined && raw.httpVersionMinor === 1) reply.raw.writeContinue()
  const target = raw.target!
  const injected = { claims: request.live?.session.claims, bearer: request.bearer, requestId: request.id }
  upstream.dispatcher.dispatch({
    path: route.upstreamUrl.basePath + rewritePath(route, target.path) + target.query,
    method: raw.method as Dispatcher.HttpMethod,
    headers: plan.writeRequestHeaders(raw, injected),
    body,
    headersTimeout: route.timeouts.headersSeconds * 1000,
    bodyTimeout: route.timeouts.bodySeconds * 1000
  }, new Exchange(plan, reply))
}

/** Answers whose message ends with the header section whatever its fields say (RFC 9112, section 6.3). */
function isBodiless (status: number): boolean {
  return status === 204 || status === 304
}

const maxInterims = 8

/**
 * One request at its upstream, as undici reports it. This is undici 7's raw handler interface: it gets the header section
 * as it came, without an object being made of it.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #plan: ForwardPlan
  readonly #reply: FastifyReply
  readonly #client: ServerResponse
  readonly #socket: Socket
  readonly #onClientLeft = (): void => { this.#clientLeft() }
  #abort: ((reason?: Error) => void) | undefined
  #interims = 0
  #isCounted = true
  #queued: NodeJS.Timeout | undefined
  #stalled: NodeJS.Timeout | undefined
  #state: 'waiting' | 'answering' | 'over' = 'waiting'

  constructor (plan: ForwardPlan, reply: FastifyReply) {
    this.#plan = plan
    this.#reply = reply
    this.#client = reply.raw
    this.#socket = reply.request.raw.socket
    // The socket, not the response: a response that waits behind another on its connection is never told that it closed.
    this.#socket.once('close', this.#onClientLeft)
    if (++plan.upstream.inFlight > connections) {
      this.#queued = setTimeout(() => { this.#gaveUp() }, plan.route.timeouts.headersSeconds * 1000)
    }
  }

  /** Also called again if undici moves a request to another connection before it was written. */
  onConnect (abort: (reason?: Error) => void): void {
    clearTimeout(this.#queued)
    this.#abort = abort
    if (this.#state === 'over') abort()
  }

  onHeaders (status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return this.#interim()
    const client = this.#client
    const headers = this.#plan.writeResponseHeaders(raw)
    closeIfUnread(this.#reply.request.raw, client)
    writeHead(client, status, statusText, headers)
    this.#reply.hijack()
    this.#state = 'answering'
    client.on('drain', () => {
      clearTimeout(this.#stalled)
      resume()
    })
    if (isBodiless(status)) this.#end()
    return true
  }

  /** Interim answers end here. Each restarts the deadline for headers, so their number is limited. */
  #interim (): boolean {
    if (++this.#interims > maxInterims) this.#abort?.(new RangeError('too many interim answers'))
    return true
  }

  onData (chunk: Buffer): boolean {
    const hasRoom = this.#client.write(chunk)
    // A client that does not read holds a connection to the upstream; it gets as long as the upstream would.
    if (!hasRoom) {
      clearTimeout(this.#stalled)
      this.#stalled = setTimeout(() => { this.#socket.destroy() }, this.#plan.route.timeouts.bodySeconds * 1000)
    }
    return hasRoom
  }

  onComplete (): void {
    if (this.#state === 'answering') this.#end()
  }

  onError (error: Error): void {
    const before = this.#state
    this.#over()
    this.#uncount()
    if (before === 'waiting') {
      // Whoever sends more than is taken is not asked for another request, even if it fitted into what was read already.
      if (isOwn(error)) this.#client.shouldKeepAlive = false
      this.#reply.send(isOwn(error) ? error : upstreamFailure(error))
    } else if (before === 'answering') {
      // The status is out: cutting the connection is the only way to say that the rest is missing.
      this.#client.destroy()
    }
  }

  #end (): void {
    this.#over()
    this.#uncount()
    this.#client.end()
  }

  #clientLeft (): void {
    this.#over()
    // Without a connection yet it stays in the upstream's queue, and counted, until its turn comes and it is aborted.
    this.#abort?.()
  }

  /** Its turn at the upstream did not come in time. */
  #gaveUp (): void {
    this.#over()
    this.#reply.header('retry-after', '1').send(new errors.SG_OVERLOADED())
  }

  #over (): void {
    this.#state = 'over'
    this.#socket.off('close', this.#onClientLeft)
    clearTimeout(this.#queued)
    clearTimeout(this.#stalled)
  }

  #uncount (): void {
    if (this.#isCounted) this.#plan.upstream.inFlight--
    this.#isCounted = false
  }
}

/** Node refuses what may not stand in a header section. The upstream is at fault then, and nothing of it is answered. */
function writeHead (client: ServerResponse, status: number, statusText: string, headers: string[]): void {
  try {
    client.writeHead(status, statusText, headers)
  } catch (error) {
    client.statusMessage = ''
    throw error
  }
}

/** Our own refusal, thrown out of the body on its way to the upstream. */
function isOwn (error: Error): boolean {
  return error instanceof errors.SG_BODY_TOO_LARGE
}
