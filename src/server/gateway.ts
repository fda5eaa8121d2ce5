/**
 * This file builds a gateway from a config: what there is, what is given to whom, and in which order.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BlockList } from 'node:net'
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from 'fastify'
import { createSignInNeeds } from '../auth/need.ts'
import { createRounds } from '../auth/rounds.ts'
import { authRoutes, type AuthScope, ownPath } from '../auth/routes.ts'
import { createTransactions } from '../auth/transaction.ts'
import { type CompiledConfig, compileConfig } from '../config/compile.ts'
import { decodeKey } from '../config/keys.ts'
import type { Config } from '../config/schema.ts'
import { createEntraProvider } from '../identity/entra.ts'
import { letterCaseRule } from '../proxy/letter-case.ts'
import { proxyRoutes, type ProxyScope } from '../proxy/routes.ts'
import { createUpstreams } from '../proxy/upstreams.ts'
import { createSessionsByUser } from '../session/by-user.ts'
import { cookieForm, isOwnCookie } from '../session/cookie.ts'
import { createSessionIds } from '../session/ids.ts'
import { createSessionLifecycle } from '../session/lifecycle.ts'
import { createSessionReader, type LiveSession } from '../session/reader.ts'
import { createSessionRecords, endedTopic } from '../session/records.ts'
import { createKeyRing, generateKey } from '../store/key-ring.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createRedisStore } from '../store/redis/store.ts'
import { createSealer } from '../store/seal.ts'
import { createRecordSealer } from '../store/sealed.ts'
import type { Store } from '../store/store.ts'
import { type Logger, logRequest } from '../telemetry/log.ts'
import { errorHandler, ownAnswerHeaders } from './answers.ts'
import { keepBodiesOpaque } from './bodies.ts'

/** What a gateway needs from its surroundings. Tests replace the clock and listen to the log. */
export interface GatewayDeps {
  readonly log: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** A config, running. */
export interface Gateway {
  /** Answers one request whose target the listener has checked. */
  handle (request: IncomingMessage, response: ServerResponse): void
  /** Whether sign-ins work: the provider's endpoints are known, and the store answers. */
  readonly isReady: () => boolean
  close (): Promise<void>
}

export async function buildGateway (config: Config, deps: GatewayDeps): Promise<Gateway> {
  const parts = createParts(config, deps)
  const { compiled, provider, upstreams, store, reader } = parts
  store.subscribe(endedTopic, reader.forget, reader.forgetAll)
  const app = createApp(deps.log, compiled)
  registerAnswers(app, config, parts)
  app.register(async scope => await authRoutes(scope, authScope(config, parts)))
  app.register(async scope => { proxyRoutes(scope, proxyScope(config, parts)) })
  await app.ready()

  const routedPath = letterCaseRule(compiled.routes)
  return {
    handle (request, response) {
      const { path, routePath, query } = request.target!
      request.url = ownPath(path, routedPath(routePath, request.headers.host)) + query
      app.routing(request, response)
    },
    isReady: () => provider.isReady() && store.isReady(),
    async close () {
      await app.close()
      await Promise.all([upstreams.close(), provider.close(), store.close()])
    }
  }
}

/** Everything that lives as long as the gateway, each made from what stands above it. */
function createParts (config: Config, { log, now }: GatewayDeps) {
  const compiled = compileConfig(config)
  const publicUrl = new URL(config.server.publicUrl)
  const limits = { idleMs: config.session.idleSeconds * 1000, absoluteMs: config.session.absoluteSeconds * 1000 }
  const cookie = cookieForm(publicUrl, config.session.cookie.name, config.session.cookie.sameSite)
  const store = createStore(config, log, now)
  const keys = createKeyRing(ringKeys(config), `${config.entra.clientId} ${publicUrl.origin}`)
  const sealer = createSealer(keys, now)
  const needs = createSignInNeeds(sealer)
  const ids = createSessionIds(keys)
  const byUser = createSessionsByUser(store, keys)
  const records = createSessionRecords({
    store,
    sealer: createRecordSealer(keys),
    now,
    onUntold: err => log.warn({ err }, 'other replicas were not told that a session ended')
  })
  const reader = createSessionReader({
    records, ids, cookieName: cookie.name, limits, now, onTouchFailed: err => log.warn({ err }, 'a session could not be touched')
  })
  const publicProtocol = cookie.secure ? 'https' : 'http'
  const lifecycle = createSessionLifecycle({ records, ids, cookie, reader, byUser, publicProtocol, now })
  const provider = createEntraProvider({
    entra: config.entra, redirectUri: new URL('/.auth/callback', publicUrl).href, scopeSets: compiled.scopeSets, store, keys, now, log
  })
  const upstreams = createUpstreams(config.upstreams)
  return {
    compiled, publicUrl, limits, cookie, store, sealer, needs, byUser, records, reader, lifecycle, provider, upstreams, log, now
  }
}

type Parts = ReturnType<typeof createParts>

/** What all answers have in common, whichever scope they come from. */
function registerAnswers (app: FastifyInstance, config: Config, { compiled, needs, publicUrl, log }: Parts): void {
  const providerOrigin = new URL(config.entra.instance).origin
  keepBodiesOpaque(app)
  app.decorateRequest('live', undefined)
  app.decorateRequest('bearer', undefined)
  app.decorateRequest('routeId', undefined)
  app.addHook('onResponse', logRequest(log))
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

function proxyScope (config: Config, parts: Parts): ProxyScope {
  const { compiled, upstreams, publicUrl, cookie, reader, provider, log } = parts
  return {
    compiled,
    upstreams,
    guards: {
      reader,
      provider,
      publicOrigin: publicUrl.origin,
      endSession: async live => { await endSession(parts, live) },
      onRefusal: (route, by, requestId) => log.info({ event: 'access-refused', requestId, route: route.id, by }, 'access refused')
    },
    headers: {
      publicUrl,
      isOwnCookie: isOwnCookie(cookie),
      identityNames: identityNames(compiled),
      isTrustedProxy: trustedProxies(config.server.trustedProxies),
      onPlantedCookie: route => log.warn({ event: 'cookie-planting', route: route.id }, 'an upstream tried to set a cookie of the gateway')
    }
  }
}

/** The grant is dead: the account's tokens are gone already, and this session is of no use any more. */
async function endSession ({ reader, records, byUser, log }: Parts, live: LiveSession): Promise<void> {
  reader.forget(live.key)
  await records.end(live.key)
  // Again: a request in between may have read it.
  reader.forget(live.key)
  await byUser.remove(live.account, live.key)
  log.info({ event: 'session-ended', reason: 'grant-dead' }, 'the provider ended a session')
}

function createApp (log: Logger, { table }: CompiledConfig): FastifyInstance {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    // One logger for all requests: a child of it for each costs more than the rest of a log line.
    childLoggerFactory: parent => parent,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    exposeHeadRoutes: false,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, maxParamLength: 8192 }
  }) as unknown as FastifyInstance
  const methods = new Set(table.flatMap(entry => entry.methods))
  // Bodies are not parsed here, so for Fastify the methods it has to be told of have none.
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: false })
  return app
}

/** Redis is connected to in the background: a gateway starts, and serves what needs no session, without it. */
function createStore ({ store }: Config, log: Logger, now: () => number): Store {
  return store.redis === undefined ? createMemoryStore({ now }) : createRedisStore({ ...store.redis, log })
}

/** With the memory store a key for this process's life is enough: its sessions do not outlive the process either. */
function ringKeys (config: Config): Parameters<typeof createKeyRing>[0] {
  return config.keys === undefined ? [generateKey()] : config.keys.map(({ id, key }) => ({ id, secret: decodeKey(key)! }))
}

function unauthenticatedBy ({ routes }: CompiledConfig): (request: FastifyRequest) => 'auto' | 'redirect' | '401' {
  const settings = new Map(routes.map(route => [route.id, route.unauthenticated]))
  return request => settings.get(request.routeOptions.config.route ?? '') ?? 'auto'
}

/** Names that the identity maps of routes set; a client must not get them to any upstream. */
function identityNames ({ routes }: CompiledConfig): Set<string> {
  return new Set(routes.flatMap(({ identityHeaders }) =>
    typeof identityHeaders === 'string' ? [] : Object.keys(identityHeaders).map(name => name.toLowerCase())))
}

function trustedProxies (blocks: readonly string[]): (address: string) => boolean {
  if (blocks.length === 0) return () => false
  const list = new BlockList()
  for (const block of blocks) {
    const [address, bits] = block.split('/') as [string, string?]
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return address => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}
