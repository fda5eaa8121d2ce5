/**
 * This file decides what an upstream sees: the client's fields less those that are the gateway's, then the gateway's own.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { CompiledRoute } from '../config/compile.ts'
import { withoutOwnCookies } from '../session/cookie.ts'
import type { Claims } from '../session/session.ts'
import { asVersion00, maxTraceStateLength } from '../telemetry/trace-context.ts'
import type { Traces } from '../telemetry/traces.ts'
import { createDecisions } from './decisions.ts'
import { isHopByHop, isOwned, nominatedBy } from './field-names.ts'
import { identityHeaders } from './identity-headers.ts'
import type { PeerOf } from './peers.ts'

/** What is the same for all routes. */
export interface HeaderPolicy {
  readonly publicUrl: URL
  readonly isOwnCookie: (name: string) => boolean
  /** Names that some route's identity map sets: removed from clients on every route. Lower case. */
  readonly identityNames: ReadonlySet<string>
  readonly peerOf: PeerOf
  /** The trace context of a request, in place of the client's; undefined where there are no traces. */
  readonly traceFields?: Traces['fields']
}

/** What a request adds. */
export interface Injected {
  readonly claims: Claims | undefined
  /** The Authorization value, scheme included; undefined on routes without a token. */
  readonly bearer: string | undefined
  readonly requestId: string
}

/** Writes the flat list of names and values that the upstream gets. */
export type RequestHeaderWriter = (request: IncomingMessage, injected: Injected) => string[]

const act = { pass: 0, drop: 1, cookie: 2, via: 3, forwardedFor: 4, trace: 5, traceState: 6, body: 7 } as const
type Act = typeof act[keyof typeof act]

export function requestHeaderWriter (route: CompiledRoute, policy: HeaderPolicy): RequestHeaderWriter {
  const { publicUrl, traceFields } = policy
  const identity = identityHeaders(route.identityHeaders)
  const host = publicUrl.host
  const protocol = publicUrl.protocol.slice(0, -1)
  const set = Object.entries(route.requestHeaders.set).flat()
  const removed = new Set([...policy.identityNames, ...route.requestHeaders.remove, ...Object.keys(route.requestHeaders.set)])
  const actOf = decisions.about(removed)

  return function writeRequestHeaders (request, { claims, bearer, requestId }) {
    const raw = request.rawHeaders
    const nominated = nominatedBy(request.headers.connection)
    const list: string[] = []
    let via = ''
    let forwardedFor = ''
    let traceparent: string | undefined
    let tracestate: string | undefined
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i]!
      const value = raw[i + 1]!
      const what = actOf(name)
      if (what === act.drop || (what !== act.body && nominated?.has(name.toLowerCase()) === true)) continue
      if (what === act.pass || what === act.body) list.push(name, value)
      else if (what === act.cookie) pushCookies(list, value, policy.isOwnCookie)
      else if (what === act.via) via += `${value}, `
      else if (what === act.forwardedFor) forwardedFor += `${value}, `
      // Two of them contradict each other: like one that is malformed.
      else if (what === act.trace) traceparent = traceparent === undefined ? value : ''
      else tracestate = tracestate === undefined ? value : `${tracestate},${value}`
    }
    const { address, isTrusted } = policy.peerOf(request)
    list.push('x-forwarded-for', isTrusted ? forwardedFor + address : address)
    list.push('x-forwarded-host', host, 'x-forwarded-proto', protocol, 'x-request-id', requestId)
    if (traceFields !== undefined) append(list, traceFields(request))
    else if (isTrusted) pushTrace(list, traceparent, tracestate, requestId)
    else list.push('traceparent', newTrace(requestId))
    list.push('via', `${via}1.1 scopegate`)
    if (claims !== undefined) append(list, identity(claims))
    if (bearer !== undefined) list.push('authorization', bearer)
    append(list, set)
    return list
  }
}

function append (list: string[], more: readonly string[]): void {
  for (let i = 0; i < more.length; i++) list.push(more[i]!)
}

/** The list with another Authorization value than the one that was written. */
export function withBearer (list: readonly string[], bearer: string): string[] {
  return list.map((value, i) => i % 2 === 1 && list[i - 1] === 'authorization' ? bearer : value)
}

function decide (name: string, removed: ReadonlySet<string>): Act {
  if (name === 'cookie') return act.cookie
  if (name === 'via') return act.via
  if (name === 'x-forwarded-for') return act.forwardedFor
  if (name === 'traceparent') return act.trace
  if (name === 'tracestate') return act.traceState
  // Framing: a Connection field that names it cannot take it away.
  if (name === 'content-length') return act.body
  return isHopByHop(name) || isOwned(name) || removed.has(name) ? act.drop : act.pass
}

const decisions = createDecisions(decide)

function pushCookies (list: string[], header: string, isOwn: (name: string) => boolean): void {
  const kept = withoutOwnCookies(header, isOwn)
  if (kept !== undefined) list.push('cookie', kept)
}

const ownId = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A trace that begins with a request, and can be found by the id of it where that is a UUID as they are made here. */
function traceFor (requestId: string): string {
  return newTrace(ownId.test(requestId) ? requestId : randomUUID())
}

/** Of the parts of a UUID, since to replace the dashes costs more than the rest. */
function newTrace (uuid: string): string {
  const last = uuid.slice(19, 23) + uuid.slice(24)
  return `00-${uuid.slice(0, 8)}${uuid.slice(9, 13)}${uuid.slice(14, 18)}${last}-${last}-00`
}

/**
 * The trace context of a trusted proxy is passed on when it is well formed, and begins here otherwise. Its state goes with it,
 * or not at all (W3C Trace Context, sections 3.2 and 3.3).
 */
function pushTrace (list: string[], traceparent: string | undefined, tracestate: string | undefined, requestId: string): void {
  const context = asVersion00(traceparent)
  if (context === undefined) {
    list.push('traceparent', traceFor(requestId))
    return
  }
  list.push('traceparent', context)
  if (tracestate !== undefined && tracestate.length <= maxTraceStateLength) list.push('tracestate', tracestate)
}
