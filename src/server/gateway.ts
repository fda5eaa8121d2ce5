/**
 * This file builds a gateway from a config: what there is, what is given to whom, and in which order.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { createSignInNeeds } from '../auth/need.ts'
import { createRates } from '../auth/rates.ts'
import { createRounds } from '../auth/rounds.ts'
import { authRoutes, type AuthScope, ownPath } from '../auth/routes.ts'
import { createTransactions } from '../auth/transaction.ts'
import { type CompiledConfig, compileConfig } from '../config/compile.ts'
import { decodeKey } from '../config/keys.ts'
import type { Config } from '../config/schema.ts'
import { createEntraProvider } from '../identity/entra.ts'
import type { ManagementScope } from '../management/routes.ts'
import { createManagementToken } from '../management/token.ts'
import { identityNames } from '../proxy/identity-headers.ts'
import { letterCaseRule } from '../proxy/letter-case.ts'
import { createPeers } from '../proxy/peers.ts'
import { proxyRoutes, type ProxyScope } from '../proxy/routes.ts'
import { createStreams } from '../proxy/streams.ts'
import { createUpstreams } from '../proxy/upstreams.ts'
import { createSessionsByUser } from '../session/by-user.ts'
import { cookieForm, isOwnCookie } from '../session/cookie.ts'
import { createSessionIds } from '../session/ids.ts'
import { createSessionLifecycle } from '../session/lifecycle.ts'
import { createNameInLog, rememberName } from '../session/name-in-log.ts'
import { createSessionReader } from '../session/reader.ts'
import { createSessionRecords, endedTopic } from '../session/records.ts'
import { createKeyRing, type RingKey } from '../store/key-ring.ts'
import { createSealer } from '../store/seal.ts'
import { createRecordSealer } from '../store/sealed.ts'
import { timedStore } from '../store/timed.ts'
import { recordRequest } from '../telemetry/finished.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Traces } from '../telemetry/traces.ts'
import { errorHandler, isNavigation, ownAnswerHeaders } from './answers.ts'
import { createApp } from './app.ts'
import { clientAddresses, trustedProxies } from './client-address.ts'
import { endSession, renewClaims } from './dead-grants.ts'
import { knownHosts } from './hosts.ts'
import { buildManagementApp } from './management-app.ts'
import { type RequestIdOf, requestIds } from './request-id.ts'
import type { Shared } from './shared.ts'
import { countUnderWay } from './under-way.ts'

/** What a gateway needs from its surroundings. Tests replace the clock and listen to the log. */
export interface GatewayDeps {
  readonly log: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Whether the process is about to end, so that nobody should send requests here any more. */
  readonly isDraining: () => boolean
  readonly shared: Shared
  /** Of the process: the counts of one gateway go on in the next. */
  readonly metrics: Metrics
  /** Of the process, too. */
  readonly traces: Traces
}

/** A config, running. */
export interface Gateway {
  /** Whether a host name, without port and in lower case, is one that this gateway answers for. */
  readonly isKnownHost: (host: string) => boolean
  readonly requestIdOf: RequestIdOf
  /** Answers one request whose target the listener has checked. */
  handle (request: IncomingMessage, response: ServerResponse): void
  /** Answers one request to the management listener. */
  management (request: IncomingMessage, response: ServerResponse): void
  /** Whether sign-ins work: the provider's endpoints are known, and the store answers. */
  readonly isReady: () => boolean
  /** Says goodbye to open WebSockets, with 1001 or 1012, and opens no more. They are gone within seconds. */
  endWebSockets (why: 'shutdown' | 'restart'): void
  /** Says of requests under way that it is the gateway that cuts them off, which is about to happen. */
  markCut (): void
  /** Ends what the gateway runs in the background, once its last request is over. It must get no further one. */
  close (): Promise<void>
}

export async function buildGateway (config: Config, deps: GatewayDeps): Promise<Gateway> {
  const parts = createParts(config, deps)
  const { compiled, provider, upstreams, store, reader, streams, peerOf } = parts
  const requestIdOf = requestIds(peerOf)
  const unwatch = deps.metrics.watch({ upstreamsInFlight: upstreams.inFlight, openWebSockets: streams.openWebSockets })
  const unsubscribe = store.subscribe(endedTopic, key => {
    reader.forget(key)
    streams.endSession(key)
  }, reader.forgetAll)
  const underWay = countUnderWay()
  const app = createApp(deps.log, compiled, requestIdOf)
  app.addHook('onResponse', underWay.leave)
  registerAnswers(app, config, parts)
  app.register(async scope => await authRoutes(scope, authScope(config, parts)))
  app.register(async scope => { proxyRoutes(scope, proxyScope(parts)) })
  await app.ready()
  const management = await buildManagementApp(await managementScope(config, parts, deps), deps.log)

  const routedPath = letterCaseRule(compiled.routes)
  return {
    isKnownHost: knownHosts(config),
    requestIdOf,
    handle: deps.traces.requests((request, response) => {
      underWay.add(response)
      const { path, routePath, query } = request.target!
      request.url = ownPath(path, routedPath(routePath, request.headers.host)) + query
      app.routing(request, response)
    }, { scheme: parts.publicProtocol, isTrusted: request => parts.peerOf(request).isTrusted }),
    management: management.routing.bind(management),
    isReady: () => provider.isReady() && store.isReady(),
    endWebSockets: streams.endWebSockets,
    markCut: underWay.markCut,
    async close () {
      streams.endWebSockets('restart')
      // Requests come to an end; streams would keep a gateway for as long as somebody listens.
      const cut = setTimeout(streams.close, config.server.limits.drainSeconds * 1000)
      await underWay.none()
      clearTimeout(cut)
      streams.close()
      unsubscribe()
      unwatch()
      await Promise.all([app.close(), management.close()])
      await Promise.all([upstreams.close(), provider.close(), store.close()])
    }
  }
}

/** Everything that lives as long as the gateway, each made from what stands above it. */
function createParts (config: Config, { log, now, shared, metrics, traces }: GatewayDeps) {
  const compiled = compileConfig(config)
  const publicUrl = new URL(config.server.publicUrl)
  const limits = { idleMs: config.session.idleSeconds * 1000, absoluteMs: config.session.absoluteSeconds * 1000 }
  const cookie = cookieForm(publicUrl, config.session.cookie.name, config.session.cookie.sameSite)
  const store = timedStore(shared.openStore(config.store), traces.storeOperations(metrics.storeOperation, config.store.type))
  const keys = createKeyRing(ringKeys(config, shared.generatedKey), `${config.entra.clientId} ${publicUrl.origin}`)
  const sealer = createSealer(keys, now)
  const needs = createSignInNeeds(sealer)
  const ids = createSessionIds(keys)
  const byUser = createSessionsByUser(store, keys)
  const nameInLog = createNameInLog(keys)
  const provider = createEntraProvider({
    entra: config.entra,
    environment: config.environment,
    redirectUri: new URL('/.auth/callback', publicUrl).href,
    scopeSets: compiled.scopeSets,
    groups: compiled.groups,
    store,
    keys,
    now,
    log,
    onCall: traces.providerCalls(({ grant, outcome, seconds }) => { metrics.providerRequest(grant, outcome, seconds) }),
    onCaller: ({ client, isApp, account }) => {
      log.info({ event: 'api-client', audit: true, client, isApp, user: nameInLog(account) }, 'an API client came with a good token')
    }
  })
  const records = createSessionRecords({
    store,
    sealer: createRecordSealer(keys),
    now,
    newestClaims: provider.newestClaims,
    onUntold: err => log.warn({ err }, 'other replicas were not told that a session ended'),
    onBroken: () => log.warn({ event: 'record-broken' }, 'a session record was damaged or forged; it is deleted')
  })
  const reader = createSessionReader({
    records,
    ids,
    cookieName: cookie.name,
    limits,
    now,
    onTouchFailed: err => log.warn({ err }, 'a session could not be touched'),
    onClaimsDue (live) {
      renewClaims({ provider, reader, records, byUser, metrics, nameInLog, log }, live).catch(err => log.warn({ err }, 'the claims of a user could not be renewed yet'))
    }
  })
  const publicProtocol = cookie.secure ? 'https' : 'http'
  const lifecycle = createSessionLifecycle({ records, ids, cookie, reader, byUser, publicProtocol, now })
  const upstreams = createUpstreams(config.upstreams, traces.upstream)
  const streams = createStreams({ reader, now })
  const isTrusted = trustedProxies(config.server.trustedProxies)
  const peerOf = createPeers(isTrusted)
  const rates = createRates({
    ...config.server.limits,
    addressOf: clientAddresses(peerOf, isTrusted),
    now,
    onRefusal: (rate, address) => log.info({ event: 'rate-limited', rate, address }, 'a client address asks too often')
  })
  return {
    compiled,
    publicUrl,
    publicProtocol,
    limits,
    cookie,
    store,
    keys,
    sealer,
    needs,
    byUser,
    records,
    reader,
    lifecycle,
    provider,
    upstreams,
    streams,
    peerOf,
    rates,
    metrics,
    traces,
    nameInLog,
    log,
    now
  }
}

type Parts = ReturnType<typeof createParts>

/** What all answers have in common, whichever scope they come from. */
function registerAnswers (app: FastifyInstance, config: Config, parts: Parts): void {
  const { compiled, needs, publicUrl, log, nameInLog, metrics, traces } = parts
  const providerOrigin = new URL(config.entra.instance).origin
  const userOf = ({ live, caller }: FastifyRequest): string | undefined => rememberName(nameInLog, live ?? caller)
  app.addHook('onResponse', recordRequest({ log, metrics, userOf, sampling: config.logging }))
  if (traces.answered !== undefined) app.addHook('onResponse', traces.answered)
  app.addHook('onSend', ownAnswerHeaders({ providerOrigin }))
  app.setErrorHandler(errorHandler({
    needs, publicOrigin: publicUrl.origin, unauthenticated: unauthenticatedBy(compiled)
  }))
}

function authScope (config: Config, { sealer, cookie, ...parts }: Parts): AuthScope {
  return {
    ...parts,
    cookieName: cookie.name,
    providerOrigin: new URL(config.entra.instance).origin,
    initialScopes: config.entra.initialScopes,
    transactions: createTransactions(sealer, cookie.name),
    rounds: createRounds(sealer, cookie.name, parts.now)
  }
}

/** That there is a config needs no looking at: without one there is no gateway. */
async function managementScope ({ server }: Config, parts: Parts, { isDraining }: GatewayDeps): Promise<ManagementScope> {
  const { store, provider, metrics, log } = parts
  const file = server.management?.tokenFile
  const token = file && await createManagementToken(file, err => log.warn({ err }, 'the management token cannot be read'))
  return {
    sessions: token ? { ...parts, token } : undefined,
    metrics,
    checks: {
      config: () => true,
      store: store.isReady,
      signingKeys: provider.isReady,
      serving: () => !isDraining()
    }
  }
}

function proxyScope (parts: Parts): ProxyScope {
  const { compiled, upstreams, streams, publicUrl, cookie, reader, provider, peerOf, rates, nameInLog, log, now } = parts
  return {
    compiled,
    metrics: parts.metrics,
    upstreams,
    streams,
    guards: {
      reader,
      provider: { ...provider, acquire: parts.traces.tokens(provider.acquire, set => compiled.scopeSets[set]!.resource) },
      publicOrigin: publicUrl.origin,
      now,
      // A navigation goes to the sign-in, which has a rate of its own, and gets a cookie that is good.
      onInvalidCookie: request => { if (!isNavigation(request)) rates.countInvalidCookie(request) },
      onUnknownToken: rates.refuseTokenGuesser,
      onInvalidToken: rates.countInvalidToken,
      endSession: async live => { await endSession(parts, live) },
      onRefusal (route, by, { id, live, caller }) {
        const user = rememberName(nameInLog, live ?? caller)
        log.info({ event: 'access-refused', audit: true, requestId: id, route: route.id, by, user }, 'access refused')
      }
    },
    headers: {
      publicUrl,
      isOwnCookie: isOwnCookie(cookie),
      identityNames: identityNames(compiled.routes),
      peerOf,
      traceFields: parts.traces.fields,
      onPlantedCookie: route => log.warn({ event: 'cookie-planting', route: route.id }, 'an upstream tried to set a cookie of the gateway')
    }
  }
}

function ringKeys ({ keys }: Config, generated: RingKey): readonly RingKey[] {
  return keys === undefined ? [generated] : keys.map(({ id, key }) => ({ id, secret: decodeKey(key)! }))
}

function unauthenticatedBy ({ routes }: CompiledConfig): (request: FastifyRequest) => 'auto' | 'redirect' | '401' {
  const settings = new Map(routes.map(route => [route.id, route.unauthenticated]))
  return request => settings.get(request.routeOptions.config.route ?? '') ?? 'auto'
}
