/**
 * This file holds one dispatcher per upstream: TLS verified, its own pool, deadlines and queue, so that a dead upstream
 * exhausts nobody else. Every connection to an upstream comes from here.
 */
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import { Pool, type Dispatcher } from 'undici'
import type { Config } from '../config/schema.ts'

export interface Upstream {
  readonly name: string
  readonly dispatcher: Dispatcher
  /** Requests that were dispatched and are not over yet. */
  inFlight: number
}

export interface Upstreams {
  get (name: string): Upstream
  close (): Promise<void>
}

/** Connections to an upstream; requests beyond wait for one. */
export const connections = 128
/** Requests in flight and waiting beyond which an upstream answers 503 for itself (security.md, M8). */
export const maxInFlight = connections + 256
/** Shorter than what backends usually keep a connection for, so that we seldom write into one that is being closed. */
const keepAliveMs = 4000
const maxResponseHeaderBytes = 32_768

export function createUpstreams (configs: Config['upstreams']): Upstreams {
  const upstreams = new Map(Object.entries(configs).map(([name, config]) => {
    const upstream: Upstream = { name, dispatcher: createDispatcher(config), inFlight: 0 }
    return [name, upstream] as const
  }))
  return {
    get (name) {
      const upstream = upstreams.get(name)
      if (upstream === undefined) throw new TypeError(`no upstream ${name}`)
      return upstream
    },
    async close () {
      await Promise.all([...upstreams.values()].map(async ({ dispatcher }) => await dispatcher.destroy()))
    }
  }
}

function createDispatcher ({ url, caFile, timeouts }: Config['upstreams'][string]): Dispatcher {
  return new Pool(new URL(url).origin, {
    connections,
    // One request per connection at a time: an answer can then never be taken for another request's.
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    headersTimeout: timeouts.headersSeconds * 1000,
    bodyTimeout: timeouts.bodySeconds * 1000,
    maxHeaderSize: maxResponseHeaderBytes,
    connect: {
      timeout: timeouts.connectSeconds * 1000,
      rejectUnauthorized: true,
      // A file of CAs adds to the public ones instead of replacing them.
      ...(caFile === undefined ? {} : { ca: [...rootCertificates, readFileSync(caFile, 'utf8')] })
    }
  })
}
