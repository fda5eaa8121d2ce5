/**
 * This file gives a request at an upstream its span, where there are traces. The trace context in the header section that
 * goes out says what it belongs to, and names the new span instead when it leaves.
 */
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Traces, UpstreamCall, UpstreamSpan } from '../telemetry/traces.ts'

type BeginSpan = NonNullable<Traces['upstream']>

type Dispatch = Dispatcher['dispatch']

/** A dispatch that does the same, and has spans. Each try is one of its own. */
export function tracedDispatch (dispatch: Dispatch, to: Pick<UpstreamCall, 'upstream' | 'origin'>, begin: BeginSpan): Dispatch {
  return function dispatchTraced (options, handler) {
    const headers = options.headers as readonly string[]
    const at = headers.findIndex((name, i) => i % 2 === 0 && name === 'traceparent') + 1
    if (at === 0) return dispatch(options, handler)
    const path = options.path.split('?', 1)[0]!
    const span = begin({ ...to, method: options.method, path, traceparent: headers[at]! })
    return dispatch({ ...options, headers: headers.with(at, span.traceparent) }, new TracedHandler(handler, span))
  }
}

/**
 * Passes on what it hears. undici calls from whichever request opened the connection, which must not be taken for the one
 * that is answered.
 */
class TracedHandler implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #span: UpstreamSpan

  constructor (handler: Dispatcher.DispatchHandler, span: UpstreamSpan) {
    this.#handler = handler
    this.#span = span
  }

  onConnect (abort: (reason?: Error) => void): void {
    this.#span.run(() => { this.#handler.onConnect?.(abort) })
  }

  onResponseStarted (): void {
    this.#handler.onResponseStarted?.()
  }

  onHeaders (status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    if (status >= 200) this.#span.answered(status)
    return this.#span.run(() => this.#handler.onHeaders!(status, raw, resume, statusText))
  }

  onUpgrade (status: number, raw: Buffer[], connection: Duplex): void {
    this.#span.answered(status)
    this.#span.end()
    this.#span.run(() => { this.#handler.onUpgrade!(status, raw, connection) })
  }

  onData (chunk: Buffer): boolean {
    return this.#handler.onData!(chunk)
  }

  onComplete (trailers: string[] | null): void {
    this.#span.end()
    this.#span.run(() => { this.#handler.onComplete!(trailers) })
  }

  onError (error: Error): void {
    this.#span.end(error)
    this.#span.run(() => { this.#handler.onError!(error) })
  }
}
