/**
 * This file is the last step of a WebSocket upgrade: the upstream is dialled, and only when it has agreed does the client get
 * its 101. Whatever comes before that is an answer like any other.
 */
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, upgradeRequired } from '../errors.ts'
import { Exchange, writeHead } from './exchange.ts'
import { overloaded } from './failure.ts'
import { type ForwardPlan, headersFor, isOverloaded, pathFor } from './forward.ts'
import { type BrokenHandshake, flawOfAnswer, type Handshake, readHandshake } from './handshake.ts'
import type { EndOfStream, OpenStream, StreamHolder } from './streams.ts'
import { type CloseCode, closeCodes, joinSockets, type Tunnel } from './tunnel.ts'

/** For everything until the upstream's 101: connecting, TLS, its answer. */
const dialMs = 5000

/** Opens a tunnel. The guards have run: the session, the rule, the origin and the token are there. */
export function upgrade (plan: ForwardPlan, request: FastifyRequest, reply: FastifyReply): void {
  const handshake = readHandshake(request.raw)
  if (handshake.kind === 'refused' || request.raw.isUpgrade !== true) {
    reply.send(refusalOf(handshake))
    return
  }
  if (request.raw.socket.destroyed) {
    reply.hijack()
    return
  }
  const socket = new WebSocketStream(plan, handshake, reply)
  const release = plan.streams.add(socket)
  if (release === undefined || isOverloaded(plan.upstream)) {
    release?.()
    reply.send(overloaded())
    return
  }
  request.raw.socket.once('close', release)
  socket.dial()
}

function refusalOf (handshake: Handshake | BrokenHandshake): Error {
  const { status, why } = handshake.kind === 'refused' ? handshake : { status: 400, why: 'not-an-upgrade' }
  const cause = flawed('Handshake', why)
  return status === 426 ? upgradeRequired({ cause }) : new errors.SG_TARGET_INVALID({ cause })
}

/** A cause for the log, which shows names and codes. */
function flawed (name: string, code: string): Error {
  return Object.assign(new Error(code), { name, code })
}

/** What an open WebSocket is closed with. */
const codeOf: Readonly<Record<EndOfStream, CloseCode>> = {
  'session-ended': closeCodes.policy, shutdown: closeCodes.goingAway, restart: closeCodes.restart
}

/** One WebSocket, from the dial to its end. */
class WebSocketStream implements OpenStream {
  readonly kind = 'websocket'
  readonly holder: StreamHolder | undefined
  readonly cookie: string | undefined
  readonly #plan: ForwardPlan
  readonly #handshake: Handshake
  readonly #reply: FastifyReply
  #exchange: Exchange | undefined
  #tunnel: Tunnel | undefined

  constructor (plan: ForwardPlan, handshake: Handshake, reply: FastifyReply) {
    this.#plan = plan
    this.#handshake = handshake
    this.#reply = reply
    this.holder = reply.request.live ?? reply.request.caller
    this.cookie = reply.request.raw.headers.cookie
  }

  dial (): void {
    const { request } = this.#reply
    const { route } = this.#plan
    const exchange = new Exchange(this.#plan, this.#reply, (raw, socket) => {
      stopWatching()
      this.#switched(raw, socket)
    })
    this.#exchange = exchange
    const stopWatching = watchDial(this.#reply, exchange)
    exchange.send({
      path: pathFor(route, request),
      method: 'GET',
      headers: withoutOffers(headersFor(this.#plan, request)),
      upgrade: 'websocket',
      headersTimeout: dialMs,
      bodyTimeout: route.timeouts.bodySeconds * 1000
    })
  }

  end (why: EndOfStream): void {
    if (this.#tunnel !== undefined) this.#tunnel.close(codeOf[why], why)
    else this.#exchange?.giveUp(why === 'session-ended' ? new errors.SG_SIGN_IN_REQUIRED() : overloaded())
  }

  /** The upstream has switched protocols. */
  #switched (raw: readonly Buffer[], upstream: Duplex): void {
    const flaw = flawOfAnswer(raw, this.#handshake) ?? this.#answer(raw)
    if (flaw !== undefined) {
      upstream.on('error', () => {}).destroy()
      this.#reply.send(new errors.SG_UPSTREAM_UNREACHABLE({ cause: flawed('Handshake', flaw) }))
      return
    }
    const { request } = this.#reply
    const openedAt = performance.now()
    this.#tunnel = joinSockets({
      client: request.raw.socket,
      upstream,
      maxMessageBytes: this.#plan.route.maxMessageBytes,
      onOver: reason => {
        const seconds = Math.round((performance.now() - openedAt) / 1000)
        request.log.info({ event: 'websocket-closed', requestId: request.id, route: this.#plan.route.id, reason, seconds }, 'a WebSocket closed')
      }
    })
  }

  /** Passes the upstream's 101 on. @returns what is wrong with it when Node refuses to write it */
  #answer (raw: readonly Buffer[]): string | undefined {
    const client = this.#reply.raw
    // A 101 has no body, whatever the upstream's says (RFC 9110, section 8.6).
    const headers = withoutField(this.#plan.writeResponseHeaders(raw), 'content-length')
    try {
      writeHead(client, 101, 'Switching Protocols', [...headers, 'Upgrade', 'websocket', 'Connection', 'Upgrade'])
    } catch {
      return 'an-invalid-field'
    }
    this.#reply.hijack()
    client.end()
    return undefined
  }
}

/**
 * Ends a dial that takes too long, and one whose client leaves, or speaks before it is answered, which no client may
 * (RFC 6455, section 4.1). @returns ends the watch
 */
function watchDial (reply: FastifyReply, exchange: Exchange): () => void {
  const { socket } = reply.request.raw
  const tooEarly = (): void => { exchange.giveUp(new errors.SG_TARGET_INVALID({ cause: flawed('Handshake', 'too-early') })) }
  const left = (): void => { socket.destroy() }
  const late = setTimeout(() => { exchange.giveUp(new errors.SG_UPSTREAM_TIMEOUT()) }, dialMs)
  socket.on('data', tooEarly).once('end', left)
  const stop = (): void => {
    clearTimeout(late)
    socket.off('data', tooEarly).off('end', left)
  }
  reply.raw.once('close', stop)
  reply.raw.once('finish', stop)
  return stop
}

/** Extensions change what frames mean, so none is offered: payloads stay what they are, and readable to the limits. */
function withoutOffers (list: readonly string[]): string[] {
  return withoutField(list, 'sec-websocket-extensions')
}

/** A flat list of names and values without one of the names. */
function withoutField (list: readonly string[], name: string): string[] {
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) if (list[i]!.toLowerCase() !== name) kept.push(list[i]!, list[i + 1]!)
  return kept
}
