/**
 * This file is the span of a request, from its arrival to the last byte of its answer. It names the route, the path and what
 * became of it, as the log does: queries, header values, bodies, cookies, tokens and users are not in it.
 */
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Attributes, type Context, createTraceState, ROOT_CONTEXT, type Span, SpanKind, trace } from '@opentelemetry/api'
import { contextBelow, placeOf, type Scope, type Spans } from './spans.ts'
import { formatTraceparent, maxTraceStateLength, parseTraceparent } from './trace-context.ts'
import type { RequestTraceOptions, Traces } from './traces.ts'

interface RequestTrace {
  readonly span: Span
  readonly scope: Scope
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Set where there are traces. */
    trace?: RequestTrace
  }
}

export function requestSpans (spans: Spans): Pick<Traces, 'requests' | 'answered' | 'fields'> {
  return {
    requests: (handle, options) => function handleTraced (request, response) {
      const above = aboveOf(request, options)
      const span = spans.begin(above, { name: methodOf(request), kind: SpanKind.SERVER, attributes: askedFor(request, options) })
      const scope = { context: trace.setSpan(above, span) }
      request.trace = { span, scope }
      spans.run(scope, handle, request, response)
    },
    answered (request, reply, done) {
      if (request.raw.trace !== undefined) endRequest(spans, request.raw.trace.span, request, reply)
      done()
    },
    fields: request => request.trace === undefined ? [] : fieldsOf(request.trace.span)
  }
}

/** Whoever is not trusted begins a trace of our own: it could be made to look like part of anybody's. */
function aboveOf (request: IncomingMessage, { isTrusted }: RequestTraceOptions): Context {
  const { traceparent, tracestate } = request.headers
  const place = typeof traceparent === 'string' && isTrusted(request) ? parseTraceparent(traceparent) : undefined
  if (place === undefined) return ROOT_CONTEXT
  const isPassed = typeof tracestate === 'string' && tracestate.length <= maxTraceStateLength
  return contextBelow(place, { isRemote: true, ...(isPassed && { traceState: createTraceState(tracestate) }) })
}

function fieldsOf (span: Span): string[] {
  const state = span.spanContext().traceState?.serialize() ?? ''
  const fields = ['traceparent', formatTraceparent(placeOf(span))]
  if (state !== '') fields.push('tracestate', state)
  return fields
}

/** Those that the semantic conventions know (RFC 9110 and RFC 5789). */
const knownMethods = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'])

export function methodOf ({ method = '' }: { readonly method?: string | undefined }): string {
  return knownMethods.has(method) ? method : 'HTTP'
}

/** What a method is called, as semantic conventions want it. */
export function methodAttributes (method = ''): Attributes {
  return knownMethods.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method }
}

/** The listener has checked target and host: the host is one of the config. */
function askedFor (request: IncomingMessage & Targeted, { scheme }: RequestTraceOptions): Attributes {
  const { method, headers, httpVersion, target } = request
  return {
    ...methodAttributes(method),
    'url.scheme': scheme,
    ...(target !== undefined && { 'url.path': target.path }),
    ...(headers.host !== undefined && { 'server.address': headers.host }),
    'network.protocol.version': httpVersion
  }
}

interface Targeted {
  /** Without its query. */
  readonly target?: { readonly path: string } | undefined
}

function endRequest (spans: Spans, span: Span, request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = reply
  const { url: path, config } = request.routeOptions
  const code = reply.getHeader('scopegate-error')
  if (path !== undefined) span.updateName(`${methodOf(request)} ${path}`).setAttribute('http.route', path)
  span.setAttributes(defined({
    'http.response.status_code': raw.headersSent ? raw.statusCode : undefined,
    'scopegate.request_id': request.id,
    'scopegate.route': request.routeId ?? config.route,
    'scopegate.token.source': request.tokenSource,
    'scopegate.sign_in.reason': request.signInReason,
    'scopegate.error': typeof code === 'string' ? code : undefined
  }))
  // Nobody got all of it; whose fault that was is the upstream's span to say.
  if (!raw.writableFinished) span.setAttribute('scopegate.cut', true)
  const isFault = raw.headersSent && raw.statusCode >= 500
  spans.end(span, isFault ? String(code ?? raw.statusCode) : undefined)
}

function defined (attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}
