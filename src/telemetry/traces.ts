/**
 * This file says what traces need to see of a gateway. Each function wraps a part of it when it is built; where nobody
 * wants traces, the part stays as it is, and no request is asked about them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from './metrics.ts'

export type HandleRequest = (request: IncomingMessage, response: ServerResponse) => void

export interface RequestTraceOptions {
  /** As clients see it: `http` or `https`. */
  readonly scheme: string
  /** Whether a request comes from a proxy whose trace context is believed. */
  readonly isTrusted: (request: IncomingMessage) => boolean
}

/** A request as its upstream gets it. */
export interface UpstreamCall {
  readonly upstream: string
  readonly origin: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** Of the request's own span. */
  readonly traceparent: string
}

/** A request at its upstream. */
export interface UpstreamSpan {
  readonly traceparent: string
  /** Runs what belongs to the request, whichever connection calls. */
  run<T> (act: () => T): T
  answered (status: number): void
  end (error?: Error): void
}

/** What asking for a token comes to; everything else is thrown. */
interface TokenOutcome {
  readonly kind: string
  readonly source?: string
  readonly reason?: string
}

type Acquire<H, O> = (holder: H, scopeSet: number, claims?: string) => O | Promise<O>

export interface FinishedCall {
  readonly grant: string
  readonly outcome: string
  readonly seconds: number
  readonly origin: string
}

export interface Traces {
  /** Gives each request a span, and has everything that is done for it seen as part of it. */
  requests (handle: HandleRequest, options: RequestTraceOptions): HandleRequest
  /** An onResponse hook that ends the span of a request. */
  readonly answered: ((request: FastifyRequest, reply: FastifyReply, done: () => void) => void) | undefined
  /** The trace context that an upstream gets, names and values in turn, in place of the client's. */
  readonly fields: ((request: IncomingMessage) => readonly string[]) | undefined
  readonly upstream: ((call: UpstreamCall) => UpstreamSpan) | undefined
  /** Sees who waits for a token; not those for whom one is ready. */
  tokens<H, O extends TokenOutcome> (acquire: Acquire<H, O>, resourceOf: (scopeSet: number) => string): Acquire<H, O>
  /** @param store - its type in the config */
  storeOperations (observe: Metrics['storeOperation'], store: string): Metrics['storeOperation']
  providerCalls<C extends FinishedCall> (observe: (call: C) => void): (call: C) => void
  /** Sends what there is, for a few seconds at most. Nothing is sent after that. */
  close (): Promise<void>
}

/** Where nobody wants traces. */
export const noTraces: Traces = {
  requests: handle => handle,
  answered: undefined,
  fields: undefined,
  upstream: undefined,
  tokens: acquire => acquire,
  storeOperations: observe => observe,
  providerCalls: observe => observe,
  async close () {}
}
