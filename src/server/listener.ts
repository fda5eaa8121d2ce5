/**
 * This file listens: sockets and their limits, the checks that come before any route, and the end in good order.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Config } from '../config/schema.ts'
import { METHODS } from '../config/schema-routes.ts'
import { parseTarget, type RefusedTarget, type Target } from '../proxy/target.ts'
import type { Logger } from '../telemetry/log.ts'
import { readFields } from './fields.ts'
import { ownFields } from './own-fields.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface Listener {
  listen (): Promise<AddressInfo>
  /** Lets requests under way finish for so many milliseconds, then cuts what is left. */
  close (drainMs: number): Promise<void>
}

/** Longer than a load balancer keeps its side, so that it never writes into a connection that we are closing. */
const keepAliveMs = 72_000
const requestsPerSocket = 1000
const methods: ReadonlySet<string> = new Set(METHODS)
const connectionsCheckMs = 5000
const idleCheckMs = 100

export interface ListenerDeps {
  /** Whether a host name, without port and in lower case, is one that this gateway answers for. */
  readonly isKnownHost: (host: string) => boolean
  readonly handle: Handler
  readonly log: Logger
}

export function createListener (config: Config['server'], { isKnownHost, handle, log }: ListenerDeps): Listener {
  const { limits } = config
  const server = createServer({
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

  function admit (request: IncomingMessage, response: ServerResponse): void {
    const checked = check(request, isKnownHost)
    if (checked.kind === 'refused') {
      turnAway(response, checked)
      return
    }
    request.target = checked
    // Nobody upgrades here yet. Node drops what follows such a request, so nothing more may come on this connection.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
    handle(request, response)
  }

  function turnAway (response: ServerResponse, refusal: Refusal): void {
    const { status, why } = refusal
    const requestId = randomUUID()
    log.info({ requestId, event: 'target-refused', status, why }, 'a request was refused before any route')
    refuse(response, refusal, requestId)
  }

  // Each request that is under way listens for the end of its connection, and a connection may carry many at once.
  server.on('connection', socket => { socket.setMaxListeners(0) })
  server.on('request', admit)
  // The interim answer is given when somebody is going to read the body, not before.
  server.on('checkContinue', admit)
  server.on('checkExpectation', (_request, response) => { turnAway(response, { kind: 'refused', status: 417, why: 'an unknown expectation' }) })
  server.on('clientError', answerBrokenRequest)

  return { listen: async () => await listen(server, config), close: async drainMs => await close(server, drainMs) }
}

/** Everything about a request that can be refused without knowing a route. */
function check (request: IncomingMessage, isKnownHost: (host: string) => boolean): Target | Refusal {
  if (!methods.has(request.method ?? '')) return { kind: 'refused', status: 405, why: 'a method that no route can list' }
  if (request.httpVersionMajor !== 1) return { kind: 'refused', status: 505, why: 'another version than HTTP/1' }
  const coding = request.headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return { kind: 'refused', status: 400, why: 'a transfer coding besides chunked' }
  }
  const target = parseTarget(request.url ?? '')
  if (target.kind === 'refused') return target
  const fields = readFields(request.rawHeaders)
  if (fields.kind === 'refused') return fields
  const host = target.authority ?? fields.host
  if (!isHost(host)) return { kind: 'refused', status: 400, why: 'a malformed host' }
  if (!isKnownHost(hostName(host))) return { kind: 'refused', status: 421, why: 'a foreign host' }
  if (target.authority !== undefined || host !== hostName(host)) request.headers.host = hostName(host)
  return target
}

interface Refusal extends Omit<RefusedTarget, 'status'> {
  readonly status: 400 | 405 | 414 | 417 | 421 | 431 | 505
}

/** RFC 3986, section 3.2.2: a registered name, an IPv4 address or a bracketed IPv6 address, and a port. */
function isHost (text: string): boolean {
  return /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?$/.test(text)
}

function hostName (host: string): string {
  return host.replace(/:[0-9]*$/, '').replace(/\.$/, '').toLowerCase()
}

/** Refused before any route: no page, no session, and this connection carries nothing more. */
function refuse (response: ServerResponse, { status }: Refusal, requestId: string): void {
  response.writeHead(status, { ...refusalFields, connection: 'close' })
  response.end(problemText(status, requestId))
}

const refusalFields = { ...ownFields(), 'content-type': 'application/problem+json', 'scopegate-error': 'SG_TARGET_INVALID' }

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
async function close (server: Server, drainMs: number): Promise<void> {
  const idle = setInterval(() => { server.closeIdleConnections() }, idleCheckMs)
  const cut = setTimeout(() => { server.closeAllConnections() }, drainMs)
  await new Promise<void>(resolve => { server.close(() => { resolve() }) })
  clearInterval(idle)
  clearTimeout(cut)
}
