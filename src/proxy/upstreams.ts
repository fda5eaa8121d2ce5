/**
 * This file holds one dispatcher per upstream: TLS verified, its own pool, deadlines and queue, so that a dead upstream
 * exhausts nobody else. Every connection to an upstream comes from here.
 */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { buildConnector, Pool, type Dispatcher } from 'undici'
import type { Config } from '../config/schema.ts'
import type { Traces } from '../telemetry/traces.ts'
import { tracedDispatch } from './traced-dispatch.ts'

export interface Upstream {
  readonly name: string
  readonly dispatcher: Dispatcher
  /** Requests that were dispatched and are not over yet. */
  inFlight: number
  /** Whether an error is the end of a connection that had brought an answer before. */
  readonly endedReused: (error: Error) => boolean
}

export interface Upstreams {
  get (name: string): Upstream
  /** How many requests each has that are not over. */
  inFlight (): Iterable<readonly [name: string, count: number]>
  close (): Promise<void>
}

/** Connections to an upstream; requests beyond wait for one. */
export const connections = 128
/** Requests in flight and waiting beyond which an upstream answers 503 for itself (security.md, M8). */
export const maxInFlight = connections + 256
/** Shorter than what backends usually keep a connection for, so that we seldom write into one that is being closed. */
const keepAliveMs = 4000
const maxResponseHeaderBytes = 32_768

/** @param trace - begins the span of a request at an upstream; undefined where there are no traces */
export function createUpstreams (configs: Config['upstreams'], trace?: Traces['upstream']): Upstreams {
  const upstreams = new Map(Object.entries(configs).map(([name, config]) => {
    const reused = new WeakSet<Error>()
    const dispatcher = createDispatcher(config, reused)
    if (trace !== undefined) {
      const to = { upstream: name, origin: new URL(config.url).origin }
      dispatcher.dispatch = tracedDispatch(dispatcher.dispatch.bind(dispatcher), to, trace)
    }
    const upstream: Upstream = { name, dispatcher, inFlight: 0, endedReused: error => reused.has(error) }
    return [name, upstream] as const
  }))
  return {
    get (name) {
      const upstream = upstreams.get(name)
      if (upstream === undefined) throw new TypeError(`no upstream ${name}`)
      return upstream
    },
    inFlight: () => [...upstreams.values()].map(({ name, inFlight }) => [name, inFlight] as const),
    async close () {
      await Promise.all([...upstreams.values()].map(async ({ dispatcher }) => await dispatcher.destroy()))
    }
  }
}

function createDispatcher ({ url, caFile, timeouts }: Config['upstreams'][string], reused: WeakSet<Error>): Dispatcher {
  return new Pool(new URL(url).origin, {
    connections,
    // One request per connection at a time: an answer can then never be taken for another request's.
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    headersTimeout: timeouts.headersSeconds * 1000,
    bodyTimeout: timeouts.bodySeconds * 1000,
    maxHeaderSize: maxResponseHeaderBytes,
    connect: noteReused(buildConnector({
      timeout: timeouts.connectSeconds * 1000,
      rejectUnauthorized: true,
      // A file of CAs adds to the public ones instead of replacing them.
      ...(caFile === undefined ? {} : { ca: [...rootCertificates, readFileSync(caFile, 'utf8')] })
    }), reused)
  })
}

/** undici does not say which connection a request failed on, but hands on the very error that ended it. */
function noteReused (connect: buildConnector.connector, reused: WeakSet<Error>): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      let first: Error | undefined
      socket?.on('error', cause => {
        // Also with TLS these are bytes of answers: a handshake does not count.
        if (socket.bytesRead > 0) reused.add(cause)
        // The last one is handed on, and says less: a TLS alert is followed by "other side closed".
        if (first !== undefined && first !== cause) cause.cause ??= first
        first ??= cause
      })
      callback(...[error, socket] as Parameters<buildConnector.Callback>)
    })
  }
}
