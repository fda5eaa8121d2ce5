/**
 * This file is the data path: a request goes to its upstream, and the answer to the client, with back-pressure and abort
 * in both directions. Nothing is retried, followed, inflated or buffered.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import { type CompiledRoute, rewritePath } from '../config/compile.ts'
import { errors } from '../errors.ts'
import { upstreamFailure } from './failure.ts'
import type { RequestHeaderWriter } from './request-headers.ts'
import type { ResponseHeaderWriter } from './response-headers.ts'
import { maxInFlight, type Upstream } from './upstreams.ts'

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
  const length = declaredLength(raw)
  if (length > route.maxBodyBytes) {
    // The body is left unread, so this connection cannot carry another request.
    reply.header('connection', 'close').send(new errors.SG_BODY_TOO_LARGE())
    return
  }
  if (upstream.inFlight >= maxInFlight) {
    reply.header('retry-after', '1').send(new errors.SG_OVERLOADED())
    return
  }
  const hasBody = length > 0 || raw.headers['transfer-encoding'] !== undefined
  if (hasBody && raw.headers.expect !== undefined) reply.raw.writeContinue()
  const target = raw.target!
  const injected = { claims: request.live?.session.claims, bearer: request.bearer, requestId: request.id }
  upstream.dispatcher.dispatch({
    path: route.upstreamUrl.basePath + rewritePath(route, target.path) + target.query,
    method: raw.method as Dispatcher.HttpMethod,
    headers: plan.writeRequestHeaders(raw, injected),
    body: hasBody ? bodyOf(raw, length, route.maxBodyBytes) : null,
    headersTimeout: route.timeouts.headersSeconds * 1000,
    bodyTimeout: route.timeouts.bodySeconds * 1000
  }, new Exchange(plan, reply))
}

/** Content-Length, -1 when the length is not declared. Node has checked that it is a number and single. */
function declaredLength (request: IncomingMessage): number {
  const field = request.headers['content-length']
  return field === undefined ? -1 : Number(field)
}

/** A declared length is enforced by the parser; an undeclared one is counted on the way. */
function bodyOf (request: IncomingMessage, length: number, maxBytes: number): Dispatcher.DispatchOptions['body'] {
  return length >= 0 ? request : Readable.from(limited(request, maxBytes), { objectMode: false })
}

async function * limited (body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let seen = 0
  for await (const chunk of body) {
    seen += chunk.length
    if (seen > maxBytes) throw new errors.SG_BODY_TOO_LARGE()
    yield chunk
  }
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
  #abort: ((reason?: Error) => void) | undefined
  #interims = 0
  #state: 'waiting' | 'answering' | 'over' = 'waiting'

  constructor (plan: ForwardPlan, reply: FastifyReply) {
    this.#plan = plan
    this.#reply = reply
    this.#client = reply.raw
    plan.upstream.inFlight++
    this.#client.once('close', () => { this.#clientLeft() })
  }

  /** Also called again if undici moves a request to another connection before it was written. */
  onConnect (abort: (reason?: Error) => void): void {
    this.#abort = abort
    if (this.#state === 'over') abort()
  }

  onHeaders (status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return this.#interim()
    const client = this.#client
    const headers = this.#plan.writeResponseHeaders(raw)
    this.#reply.hijack()
    this.#state = 'answering'
    client.on('drain', resume)
    client.writeHead(status, statusText, headers)
    if (isBodiless(status)) this.#end()
    return true
  }

  /** Interim answers end here. Each restarts the deadline for headers, so their number is limited. */
  #interim (): boolean {
    if (++this.#interims > maxInterims) this.#abort?.(new RangeError('too many interim answers'))
    return true
  }

  onData (chunk: Buffer): boolean {
    return this.#client.write(chunk)
  }

  onComplete (): void {
    if (this.#state === 'answering') this.#end()
  }

  onError (error: Error): void {
    const before = this.#state
    this.#over()
    if (before === 'waiting') {
      this.#reply.send(isOwn(error) ? error : upstreamFailure(error))
    } else if (before === 'answering') {
      // The status is out: cutting the connection is the only way to say that the rest is missing.
      this.#client.destroy()
    }
  }

  #end (): void {
    this.#over()
    this.#client.end()
  }

  #clientLeft (): void {
    if (this.#state === 'over') return
    this.#over()
    this.#abort?.()
  }

  #over (): void {
    if (this.#state !== 'over') this.#plan.upstream.inFlight--
    this.#state = 'over'
  }
}

/** Our own refusal, thrown out of the body on its way to the upstream. */
function isOwn (error: Error): boolean {
  return error instanceof errors.SG_BODY_TOO_LARGE
}
