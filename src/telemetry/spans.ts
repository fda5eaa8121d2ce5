/**
 * This file begins and ends spans, and knows which one is above: what is done for a request runs in its scope, however many
 * promises later.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Attributes, type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace, TraceFlags, type Tracer } from '@opentelemetry/api'
import type { TracePlace } from './trace-context.ts'

/** What is begun in it belongs below its span. */
export interface Scope {
  context: Context
}

export interface Piece {
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Attributes
  /** Milliseconds of the monotonic clock; now, unless it began before. */
  readonly startedAt?: number
}

export interface Spans {
  /** @returns undefined outside of any request */
  current (): Scope | undefined
  run<A extends unknown[], T> (scope: Scope, act: (...args: A) => T, ...args: A): T
  begin (context: Context, piece: Piece): Span
  /** @param error - what kind of failure it was: a code or a status */
  end (span: Span, error?: string): void
  /** Something of the current request that is over. What is done for no request has no span. */
  note (piece: Omit<Piece, 'startedAt'> & { readonly seconds: number, readonly error?: string | undefined }): void
}

export function createSpans (tracer: Tracer): Spans {
  const scopes = new AsyncLocalStorage<Scope>()
  const clock = createWallClock()

  function begin (context: Context, { name, kind, attributes, startedAt = performance.now() }: Piece): Span {
    return tracer.startSpan(name, { kind, attributes, startTime: clock(startedAt) }, context)
  }

  function end (span: Span, error?: string): void {
    if (error !== undefined) span.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
    span.end(clock(performance.now()))
  }

  return {
    current: () => scopes.getStore(),
    run: (scope, act, ...args) => scopes.run(scope, act, ...args),
    begin,
    end,
    note ({ seconds, error, ...piece }) {
      const scope = scopes.getStore()
      if (scope === undefined) return
      end(begin(scope.context, { ...piece, startedAt: performance.now() - seconds * 1000 }), error)
    }
  }
}

/** A wall clock that was set, or a machine that slept, moves the two clocks apart by more than this. */
const maxDriftMs = 20

/**
 * Makes epoch milliseconds of the monotonic clock's. The same difference for all spans, or one would stick out of the one
 * above it by a part of a millisecond.
 */
function createWallClock (): (monotonicMs: number) => number {
  let offset = performance.timeOrigin
  return monotonicMs => {
    const drift = Date.now() - performance.now() - offset
    if (Math.abs(drift) > maxDriftMs) offset += drift
    return monotonicMs + offset
  }
}

/** The context right below a place of a trace. */
export function contextBelow ({ traceId, spanId, isSampled }: TracePlace, more: { readonly isRemote?: boolean } = {}): Context {
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, ...more })
}

export function placeOf (span: Span): TracePlace {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return { traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0 }
}

/** A code, or else a class: never a message. */
export function errorType (error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
