/**
 * This file is the spans below that of a request: a token that was waited for, the provider, the store, and the upstream.
 */
import { type Span, SpanKind, trace } from '@opentelemetry/api'
import { methodAttributes, methodOf } from './request-spans.ts'
import { contextBelow, errorType, placeOf, type Scope, type Spans } from './spans.ts'
import { formatTraceparent, parseTraceparent } from './trace-context.ts'
import type { Traces, UpstreamCall, UpstreamSpan } from './traces.ts'

export function callSpans (spans: Spans): Pick<Traces, 'tokens' | 'storeOperations' | 'providerCalls' | 'upstream'> {
  return {
    tokens: (acquire, resourceOf) => function acquireTraced (holder, scopeSet, claims) {
      const above = spans.current()
      if (above === undefined) return acquire(holder, scopeSet, claims)
      const scope = { ...above }
      const startedAt = performance.now()
      const outcome = spans.run(scope, acquire, holder, scopeSet, claims)
      // Nothing that it began is over yet, so what is waited for can still be put below a span.
      if (outcome instanceof Promise) watchToken(spans, scope, { outcome, startedAt, resource: resourceOf(scopeSet) })
      return outcome
    },
    storeOperations: (observe, store) => function observeOperation (operation, outcome, seconds) {
      observe(operation, outcome, seconds)
      const attributes = { 'db.system.name': systems[store] ?? store, 'db.operation.name': operation }
      spans.note({ name: `store ${operation}`, kind: SpanKind.CLIENT, attributes, seconds, error: failureOf(outcome) })
    },
    providerCalls: observe => function observeCall (call) {
      observe(call)
      const { grant, outcome, origin, seconds } = call
      const attributes = { 'server.address': new URL(origin).hostname, 'scopegate.provider.grant': grant }
      spans.note({ name: `provider ${grant}`, kind: SpanKind.CLIENT, attributes, seconds, error: failureOf(outcome) })
    },
    upstream (call) {
      const scope = { context: contextBelow(parseTraceparent(call.traceparent)!) }
      const name = `${methodOf(call)} ${call.upstream}`
      return upstreamSpan(spans, scope, spans.begin(scope.context, { name, kind: SpanKind.CLIENT, attributes: sentAs(call) }))
    }
  }
}

/** Stores that semantic conventions call otherwise than the config. */
const systems: Readonly<Record<string, string>> = { postgres: 'postgresql' }

function failureOf (outcome: string): string | undefined {
  return outcome === 'ok' ? undefined : outcome
}

interface AwaitedToken {
  readonly outcome: Promise<{ readonly kind: string, readonly source?: string, readonly reason?: string }>
  readonly startedAt: number
  readonly resource: string
}

function watchToken (spans: Spans, scope: Scope, { outcome, startedAt, resource }: AwaitedToken): void {
  const span = spans.begin(scope.context, { name: 'token', kind: SpanKind.INTERNAL, attributes: { 'scopegate.resource': resource }, startedAt })
  scope.context = trace.setSpan(scope.context, span)
  outcome.then(({ kind, source, reason }) => {
    span.setAttribute('scopegate.token.outcome', reason ?? kind)
    if (source !== undefined) span.setAttribute('scopegate.token.source', source)
    spans.end(span)
  }, (error: unknown) => { spans.end(span, errorType(error)) })
}

function sentAs ({ upstream, origin, method, path }: UpstreamCall) {
  const { hostname, port, protocol } = new URL(origin)
  return {
    ...methodAttributes(method),
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
    'url.full': origin + path,
    'scopegate.upstream': upstream
  }
}

function upstreamSpan (spans: Spans, scope: Scope, span: Span): UpstreamSpan {
  let status = 0
  return {
    traceparent: formatTraceparent(placeOf(span)),
    run: act => spans.run(scope, act),
    answered (code) {
      status = code
      span.setAttribute('http.response.status_code', code)
    },
    end (error) {
      // For who asks, 4xx is a failure too, as semantic conventions have it. An answer that was cut has both.
      const failure = status >= 400 ? String(status) : error && errorType(error)
      spans.end(span, failure)
    }
  }
}
