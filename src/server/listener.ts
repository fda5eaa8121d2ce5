/**
 * This file listens: sockets and their limits, the checks that come before any route, and the end in good order.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import { errors, problemOf } from '../errors.ts'
import { closeIfUnread } from '../proxy/request-body.ts'
import type { Logger } from '../telemetry/log.ts'
import { ownFields } from './own-fields.ts'
import { checkRequest, type Refusal } from './request-check.ts'
import type { RequestIdOf } from './request-id.ts'
import { watchStalls } from './stall.ts'
import { acceptUpgrades, Incoming } from './upgrades.ts'

/** What a request meets that the listener has checked. */
export interface Served {
  /** Whether a host name, without port and in lower case, is one that is answered for. */
  readonly isKnownHost: (host: string) => boolean
  readonly requestIdOf: RequestIdOf
  handle (request: IncomingMessage, response: ServerResponse): void
  /** Says goodbye to open WebSockets, which Node does not count among its connections. */
  endWebSockets (why: 'shutdown'): void
  /** Called before those that are still under way are cut off. */
  markCut (): void
}

/** How a listener ends, in milliseconds. */
export interface Drain {
  /** How long everybody is still served, each answer closing its connection: balancers have to notice first. */
  readonly serveOnMs: number
  /** After that, how long requests under way may take. What is left then is cut. */
  readonly drainMs: number
}

export interface Listener {
  listen (): Promise<AddressInfo>
  /** Hands every further request to another gateway. Those under way stay where they are. */
  serve (next: Served): void
  close (drain: Drain): Promise<void>
}

/** Longer than a load balancer keeps its side, so that it never writes into a connection that we are closing. */
const keepAliveMs = 72_000
const requestsPerSocket = 1000
const connectionsCheckMs = 5000
const idleCheckMs = 100
/** A flood of refused connections is one line in so long. */
const dropLogMs = 10_000

/** @param first - what is served until {@link Listener.serve} says otherwise */
export function createListener (config: Config['server'], first: Served, log: Logger): Listener {
  const { limits } = config
  let served = first
  let isDraining = false
  const server = createServer({
    IncomingMessage: Incoming,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutSeconds * 1000,
    requestTimeout: limits.requestTimeoutSeconds * 1000,
    connectionsCheckingInterval: connectionsCheckMs,
    keepAliveTimeout: keepAliveMs,
    requireHostHeader: false
  })
  server.maxConnections = limits.maxConnections
  server.maxRequestsPerSocket = requestsPerSocket
  // Node would leave out what is beyond this number without a word; fields.ts counts and refuses instead.
  server.maxHeadersCount = 0

  const turnedAway = new WeakSet<Socket>()
  const stall = watchStalls(limits.maxStallSeconds * 1000, stalledMs => {
    if (stalledMs > 0) log.warn({ event: 'stalled', ms: stalledMs }, 'the process stood still: new requests are turned away')
    else log.info({ event: 'stall-over' }, 'the process keeps up again')
  })

  function admit (request: IncomingMessage, response: ServerResponse): void {
    // Left alone, it ends with its connection: what comes behind a refused request may be the rest of that one.
    if (turnedAway.has(request.socket)) return
    if (stall.isOn()) {
      shed(request, response, served.requestIdOf(request))
      return
    }
    const checked = checkRequest(request, served.isKnownHost)
    if (checked.kind === 'refused') {
      turnAway(request, response, checked)
      return
    }
    request.target = checked
    // Unless it becomes a tunnel. Node drops what follows such a request, so nothing more may come on this connection.
    if (isDraining || request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    served.handle(request, response)
  }

  function turnAway (request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    const { status, why } = refusal
    turnedAway.add(request.socket)
    const requestId = served.requestIdOf(request)
    log.info({ requestId, event: 'target-refused', status, why }, 'a request was refused before any route')
    refuse(response, refusal, requestId)
  }

  // Each request that is under way listens for the end of its connection, and a connection may carry many at once.
  server.on('connection', socket => { socket.setMaxListeners(0) })
  server.on('request', admit)
  // The interim answer is given when somebody is going to read the body, not before.
  server.on('checkContinue', admit)
  server.on('checkExpectation', (request, response) => {
    turnAway(request, response, { kind: 'refused', status: 417, why: 'an unknown expectation' })
  })
  server.on('clientError', answerBrokenRequest)
  server.on('drop', atMostEach(dropLogMs, () => {
    log.warn({ event: 'connections-refused', maxConnections: limits.maxConnections }, 'more connections than maxConnections')
  }))

  const cutUpgraded = acceptUpgrades(server, admit)

  return {
    listen: async () => await listen(server, config),
    serve (next) { served = next },
    async close ({ serveOnMs, drainMs }) {
      isDraining = true
      await delay(serveOnMs)
      served.endWebSockets('shutdown')
      await close(server, drainMs, () => {
        served.markCut()
        server.closeAllConnections()
        cutUpgraded()
      })
      stall.close()
    }
  }
}

/** Refused before any route: no page, no session, and this connection carries nothing more. */
function refuse (response: ServerResponse, { status }: Refusal, requestId: string): void {
  response.writeHead(status, { ...refusalFields, connection: 'close' })
  response.end(problemText(status, requestId))
}

/** Answered as cheaply as can be: there is more waiting behind it. */
function shed (request: IncomingMessage, response: ServerResponse, requestId: string): void {
  closeIfUnread(request, response)
  const { code, status, title } = problemOf(new errors.SG_OVERLOADED())
  response.writeHead(status, { ...problemFields, 'scopegate-error': code, 'retry-after': '1' })
  response.end(JSON.stringify({ type: `urn:scopegate:error:${code}`, title, status, code, requestId }))
}

const problemFields = { ...ownFields(), 'content-type': 'application/problem+json' }

const refusalFields = { ...problemFields, 'scopegate-error': 'SG_TARGET_INVALID' }

function problemText (status: number, requestId: string): string {
  const title = 'The request target or its headers are not acceptable'
  return JSON.stringify({ type: 'urn:scopegate:error:SG_TARGET_INVALID', title, status, code: 'SG_TARGET_INVALID', requestId })
}

/** What the parser could not read (RFC 9112, section 2.2): answered in plain bytes, then closed. */
function answerBrokenRequest (error: Error & { code?: string }, socket: Socket): void {
  // In the middle of an answer, another one would be read as part of it; Node looks at the same before it writes one.
  const isAnswering = (socket as Socket & { _httpMessage?: unknown })._httpMessage != null
  if (!socket.writable || isAnswering || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const body = problemText(status, randomUUID())
  const fields = { ...refusalFields, 'content-length': String(Buffer.byteLength(body)), connection: 'close' }
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`)
}

async function listen (server: Server, { host, port }: Config['server']): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return server.address() as AddressInfo
}

/** A connection that was busy at the signal is kept alive after its answer, so idle ones are closed again and again. */
async function close (server: Server, drainMs: number, cutAll: () => void): Promise<void> {
  const idle = setInterval(() => { server.closeIdleConnections() }, idleCheckMs)
  const cut = setTimeout(cutAll, drainMs)
  await new Promise<void>(resolve => { server.close(() => { resolve() }) })
  clearInterval(idle)
  clearTimeout(cut)
}

function atMostEach (ms: number, act: () => void): () => void {
  let quietUntil = 0
  return () => {
    if (performance.now() < quietUntil) return
    quietUntil = performance.now() + ms
    act()
  }
}
