/**
 * This file has the metrics of a process, in Prometheus's format. No label says anything about a user, and each has few
 * values: routes are those of the config, and methods and statuses are known ones.
 */
import type { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { createCounts, createDurations, type Durations, registerCounter, registerHistogram } from './tally.ts'

/** Where a token came from: memory, the account's record, the provider without the user, or the provider with the user. */
export type TokenSource = 'ready' | 'cache' | 'refresh' | 'interactive'

/** The user's word, the provider's, an administrator's, or the end of what the provider granted. */
export type EndOfSession = 'signed-out' | 'provider' | 'revoked' | 'grant-dead'

export interface FinishedRequest {
  /** As the config names it, an endpoint's path, or `none`. */
  readonly route: string
  /** One of the usual ones, or `other`. */
  readonly method: string
  readonly status: number
  readonly seconds: number
}

/** What a gateway has at this moment. */
export interface Levels {
  /** Requests at each upstream that are not over, by its name. */
  readonly upstreamsInFlight: () => Iterable<readonly [upstream: string, count: number]>
  readonly openWebSockets: () => number
}

export interface Metrics {
  request (finished: FinishedRequest): void
  /** What a request has spent in the gateway before it was handed to its upstream, in seconds. */
  overhead (seconds: number): void
  /** @param outcome - `ok`, or why there was none: the reason of a sign-in, or an error code */
  token (source: TokenSource, outcome: string): void
  /** @param outcome - `ok` or an error code */
  signIn (outcome: string): void
  sessionEnded (reason: EndOfSession, sessions?: number): void
  storeOperation (operation: string, outcome: string, seconds: number): void
  providerRequest (grant: string, outcome: string, seconds: number): void
  configReload (outcome: 'ok' | 'refused'): void
  /** @returns takes it out again */
  watch (levels: Levels): () => void
  /** All of them as text, and its media type. */
  text (): Promise<{ readonly type: string, readonly body: string }>
}

/** Where nobody asks for metrics. */
export const noMetrics: Metrics = {
  request () {},
  overhead () {},
  token () {},
  signIn () {},
  sessionEnded () {},
  storeOperation () {},
  providerRequest () {},
  configReload () {},
  watch: () => () => {},
  text: async () => ({ type: 'text/plain', body: '' })
}

const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const overheadBuckets = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10]
const storeBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1]
const providerBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const statusTexts = Array.from({ length: 600 }, (_, status) => String(status))

/** A status as a label, without making a text of it each time. */
function textOf (status: number): string {
  return statusTexts[status] ?? String(status)
}

/** @param worker - the number of this process, where several share the port */
export async function createMetrics (worker?: number): Promise<Metrics> {
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await import('prom-client')
  const registry: Registry = new Registry()
  const registers = [registry]
  if (worker !== undefined) registry.setDefaultLabels({ worker })
  collectDefaultMetrics({ register: registry })
  const levels = new Set<Levels>()

  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name: `scopegate_${name}`, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]): Histogram<L> =>
    new Histogram({ name: `scopegate_${name}`, help, labelNames, buckets, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: L[], collect: (this: Gauge<L>) => void): Gauge<L> =>
    new Gauge({ name: `scopegate_${name}`, help, labelNames, registers, collect })

  const requests = createCounts<[route: string, method: string, status: string]>()
  const tokens = createCounts<[source: TokenSource, outcome: string]>()
  const durations = new Map<string, Durations>()
  const overhead = createDurations(overheadBuckets)
  function durationsOf (route: string): Durations {
    const known = durations.get(route)
    if (known !== undefined) return known
    const added = createDurations(requestBuckets)
    durations.set(route, added)
    return added
  }

  registerCounter(registry, {
    name: 'scopegate_requests_total', help: 'Requests that are over.', labelNames: ['route', 'method', 'status'], read: requests.entries
  })
  registerCounter(registry, {
    name: 'scopegate_token_requests_total',
    help: 'Access tokens for requests, by where they came from.',
    labelNames: ['source', 'outcome'],
    read: tokens.entries
  })
  registerHistogram(registry, {
    name: 'scopegate_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer, or of its connection.',
    read: () => [...durations].map(([route, one]) => [{ route }, one])
  })
  registerHistogram(registry, {
    name: 'scopegate_overhead_seconds',
    help: 'From the arrival of a request to its being handed to its upstream.',
    read: () => [[{}, overhead]]
  })
  const signIns = counter('sign_ins_total', 'Finished sign-ins.', ['outcome'])
  const sessionsEnded = counter('sessions_ended_total', 'Sessions that ended before their time.', ['reason'])
  const storeSeconds = histogram('store_operation_seconds', 'Operations of the store.', ['operation', 'outcome'], storeBuckets)
  const providerSeconds = histogram('provider_request_seconds', 'Requests to the identity provider.', ['grant', 'outcome'], providerBuckets)
  const reloads = counter('config_reloads_total', 'Configs that were to take over.', ['outcome'])
  // Prometheus sees no increase in a series that begins with 1.
  for (const outcome of ['ok', 'refused']) reloads.inc({ outcome }, 0)
  gauge('upstream_in_flight', 'Requests at an upstream that are not over.', ['upstream'], function () {
    this.reset()
    for (const { upstreamsInFlight } of levels) for (const [upstream, count] of upstreamsInFlight()) this.inc({ upstream }, count)
  })
  gauge('websocket_open', 'Open WebSockets.', [], function () {
    this.set([...levels].reduce((sum, { openWebSockets }) => sum + openWebSockets(), 0))
  })

  return {
    request ({ route, method, status, seconds }) {
      requests.add(route, method, textOf(status))
      durationsOf(route).observe(seconds)
    },
    overhead: overhead.observe,
    token: tokens.add,
    signIn: outcome => { signIns.inc({ outcome }) },
    sessionEnded: (reason, sessions = 1) => { sessionsEnded.inc({ reason }, sessions) },
    storeOperation: (operation, outcome, seconds) => { storeSeconds.observe({ operation, outcome }, seconds) },
    providerRequest: (grant, outcome, seconds) => { providerSeconds.observe({ grant, outcome }, seconds) },
    configReload: outcome => { reloads.inc({ outcome }) },
    watch (one) {
      levels.add(one)
      return () => { levels.delete(one) }
    },
    text: async () => ({ type: registry.contentType, body: await registry.metrics() })
  }
}
