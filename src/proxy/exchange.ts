/**
 * This file is one request at its upstream: it streams both ways with back-pressure, aborts both ways, and is answered once.
 * Nothing is followed, inflated or buffered. Two things are a reason to ask again, once each: a connection that was closed
 * while idle, and a claims challenge.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Dispatcher } from 'undici'
import { errors } from '../errors.ts'
import { readClaimsChallenge } from './challenge.ts'
import { forgetDeparture, tellDeparture } from './departures.ts'
import { hasClosed, overloaded, upstreamFailure } from './failure.ts'
import type { ForwardPlan } from './forward.ts'
import { closeIfUnread } from './request-body.ts'
import { withBearer } from './request-headers.ts'
import { isChallengeable } from './step-up.ts'
import { connections } from './upstreams.ts'

/** Answers whose message ends with the header section whatever its fields say (RFC 9112, section 6.3). */
function isBodiless (status: number): boolean {
  return status === 204 || status === 304
}

const maxInterims = 8

/** Gets the upstream's 101, as names and values in turn, and its connection. */
type Switched = (raw: Buffer[], connection: Duplex) => void

/**
 * One request at its upstream, as undici reports it. This is undici 7's raw handler interface: it gets the header section
 * as it came, without an object being made of it.
 *
 * It is answered once: by the upstream, or instead of it.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #plan: ForwardPlan
  readonly #reply: FastifyReply
  readonly #client: ServerResponse
  readonly #socket: Socket
  readonly #onSwitched: Switched | undefined
  #abort: ((reason?: Error) => void) | undefined
  #interims = 0
  #isCounted = true
  #isHeard = false
  #isWaitingForClient = false
  /** Lets the upstream go on sending. */
  #resume: (() => void) | undefined
  #isRepeated = false
  /** The claims challenge that was met. */
  #challenge: string | undefined
  /** What was sent, until its answer begins. */
  #options: Dispatcher.DispatchOptions | undefined
  #queued: NodeJS.Timeout | undefined
  #stalled: NodeJS.Timeout | undefined
  #unwatch: (() => void) | undefined
  #state: 'waiting' | 'renewing' | 'answering' | 'over' = 'waiting'

  /** @param onSwitched - given for an upgrade: gets the connection when the upstream agrees to it */
  constructor (plan: ForwardPlan, reply: FastifyReply, onSwitched?: Switched) {
    this.#plan = plan
    this.#onSwitched = onSwitched
    this.#reply = reply
    this.#client = reply.raw
    this.#socket = reply.request.raw.socket
    // The socket, not the response: a response that waits behind another on its connection is never told that it closed.
    tellDeparture(this.#socket, this)
    plan.upstream.inFlight++
    this.#awaitTurn()
  }

  send (options: Dispatcher.DispatchOptions): void {
    this.#options = options
    this.#plan.upstream.dispatcher.dispatch(options, this)
  }

  #awaitTurn (): void {
    const { route, upstream } = this.#plan
    if (upstream.inFlight <= connections) return
    this.#queued = setTimeout(() => { this.giveUp(overloaded()) }, route.timeouts.headersSeconds * 1000)
  }

  /** Cuts the answer when the session of its request ends, however long it would go on. */
  endWithSession (): void {
    const { live, caller, raw } = this.#reply.request
    const holder = live ?? caller
    if (holder === undefined) return
    this.#unwatch = this.#plan.streams.add({
      kind: 'answer', holder, cookie: raw.headers.cookie, end: () => { this.#cut() }
    })
  }

  #cut (): void {
    this.#client.cutOffBy = 'gateway'
    this.#socket.destroy()
  }

  /** Answers instead of the upstream, unless its answer has begun. */
  giveUp (error: Error): void {
    if (this.#state !== 'waiting' && this.#state !== 'renewing') return
    this.#over()
    this.#reply.send(error)
    // Without a connection yet it stays in the upstream's queue, and counted, until its turn comes and it is aborted.
    this.#abort?.()
  }

  /** Also called again if undici moves a request to another connection before it was written. */
  onConnect (abort: (reason?: Error) => void): void {
    clearTimeout(this.#queued)
    this.#abort = abort
    if (this.#state === 'over') abort()
  }

  /** The first byte of anything: from now on the upstream has had the request. */
  onResponseStarted (): void {
    this.#isHeard = true
  }

  onHeaders (status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return this.#interim(status)
    if ((status === 401 || status === 403) && this.#isMet(status, raw)) return true
    const client = this.#client
    const headers = this.#plan.writeResponseHeaders(raw)
    closeIfUnread(this.#reply.request.raw, client)
    writeHead(client, status, statusText, headers)
    this.#reply.hijack()
    this.#state = 'answering'
    this.#options = undefined
    this.#resume = resume
    if (isBodiless(status)) this.#end()
    else if (this.#plan.route.streaming) client.flushHeaders()
    return true
  }

  /** The upstream switched protocols, as it was asked to: from here on the connection is the asker's. */
  onUpgrade (_status: number, raw: Buffer[], connection: Duplex): void {
    const before = this.#state
    this.#over()
    this.#uncount()
    if (before === 'waiting') this.#onSwitched?.(raw, connection)
    else connection.destroy()
  }

  /** Interim answers end here. Each restarts the deadline for headers, so their number is limited; 101 is none of them. */
  #interim (status: number): boolean {
    if (status === 101 || ++this.#interims > maxInterims) this.#abort?.(new RangeError('a wrong interim answer, or too many'))
    return true
  }

  onData (chunk: Buffer): boolean {
    const hasRoom = this.#client.write(chunk)
    // A client that does not read holds a connection to the upstream; it gets as long as the upstream would.
    if (!hasRoom) this.#waitForClient()
    return hasRoom
  }

  #waitForClient (): void {
    clearTimeout(this.#stalled)
    this.#stalled = setTimeout(() => { this.#socket.destroy() }, this.#plan.route.timeouts.bodySeconds * 1000)
    if (this.#isWaitingForClient) return
    this.#isWaitingForClient = true
    this.#client.once('drain', () => {
      this.#isWaitingForClient = false
      clearTimeout(this.#stalled)
      this.#resume!()
    })
  }

  onComplete (): void {
    if (this.#state === 'answering') this.#end()
  }

  onError (error: Error): void {
    const before = this.#state
    // We have ended the answer with the challenge ourselves.
    if (before === 'renewing') return
    if (before === 'waiting' && this.#mayRepeat(error)) {
      // Not from within undici's own handling of the end, and after it has seen which other connections ended too.
      setImmediate(() => { this.#repeat() })
      return
    }
    this.#over()
    this.#uncount()
    if (before === 'waiting') {
      // Whoever sends more than is taken is not asked for another request, even if it fitted into what was read already.
      if (isOwn(error)) this.#client.shouldKeepAlive = false
      this.#reply.send(isOwn(error) ? error : upstreamFailure(error))
    } else if (before === 'answering') {
      // The status is out: cutting the connection is the only way to say that the rest is missing.
      this.#client.cutOffBy = 'upstream'
      this.#client.destroy()
    }
  }

  /**
   * An idle connection that the upstream closed as we wrote: it has most likely not seen the request. Once more, for
   * methods that change nothing and have nothing to send again (RFC 9112, section 9.3.1; RFC 9110, section 9.2.2).
   */
  #mayRepeat (error: Error): boolean {
    const { method, body } = this.#options!
    const isSafe = (method === 'GET' || method === 'HEAD') && body === null
    return isSafe && !this.#isRepeated && !this.#isHeard && hasClosed(error) && this.#plan.upstream.endedReused(error)
  }

  #repeat (): void {
    if (this.#state !== 'waiting') {
      this.#uncount()
      return
    }
    this.#isRepeated = true
    this.#sendAgain(this.#options!)
  }

  #sendAgain (options: Dispatcher.DispatchOptions): void {
    this.#isHeard = false
    this.#interims = 0
    this.#awaitTurn()
    this.send(options)
  }

  /**
   * Whether the answer is a claims challenge that is met: then nothing of it is passed on. A second one, in the answer to what
   * was sent with the new token, passes like any other answer, unless it is the first once more.
   */
  #isMet (status: number, raw: readonly Buffer[]): boolean {
    const { request } = this.#reply
    const { route, stepUp } = this.#plan
    if (!isChallengeable(this.#plan, request)) return false
    const claims = readClaimsChallenge(raw)
    if (claims === undefined && status === 401) stepUp!.noteRejection(request, route)
    if (claims === undefined || claims !== (this.#challenge ?? claims)) return false
    const isReplayable = this.#challenge === undefined && isKept(this.#options!)
    this.#challenge = claims
    this.#state = 'renewing'
    this.#abort?.()
    stepUp!.meet(request, { route, claims, isReplayable }).then(() => { this.#replay() }, error => {
      this.giveUp(error)
      this.#uncount()
    })
    return true
  }

  /** Sends the request once more, with the token that the challenge asked for, if anybody still waits for an answer. */
  #replay (): void {
    if (this.#state !== 'renewing') {
      this.#uncount()
      return
    }
    this.#state = 'waiting'
    const options = this.#options!
    this.#sendAgain({ ...options, headers: withBearer(options.headers as string[], this.#reply.request.bearer!) })
  }

  #end (): void {
    this.#over()
    this.#uncount()
    this.#client.end()
  }

  clientLeft (): void {
    this.#over()
    // Without a connection yet it stays in the upstream's queue, and counted, until its turn comes and it is aborted.
    this.#abort?.()
  }

  #over (): void {
    this.#state = 'over'
    forgetDeparture(this.#socket, this)
    clearTimeout(this.#queued)
    clearTimeout(this.#stalled)
    this.#unwatch?.()
  }

  #uncount (): void {
    if (this.#isCounted) this.#plan.upstream.inFlight--
    this.#isCounted = false
  }
}

/** Whether a request can be sent once more: it has no body, or one that was read before it was sent. */
function isKept ({ body }: Dispatcher.DispatchOptions): boolean {
  return body === null || body === undefined || Buffer.isBuffer(body)
}

/** Node refuses what may not stand in a header section. The upstream is at fault then, and nothing of it is answered. */
export function writeHead (client: ServerResponse, status: number, statusText: string, headers: string[]): void {
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
