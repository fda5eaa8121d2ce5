/**
 * This file stands in for everything around the route of a request that is only asked about: whoever sends it, the provider,
 * the upstream. It writes down what would have happened.
 */
import type { FastifyInstance } from 'fastify'
import type { Dispatcher } from 'undici'
import type { CompiledConfig, CompiledRoute } from '../config/compile.ts'
import { errors, problemOf, signInNeedOf } from '../errors.ts'
import type { TokenHolder } from '../identity/holder.ts'
import type { ReadyToken } from '../identity/provider.ts'
import { ownedNames } from '../proxy/field-names.ts'
import { identityNames } from '../proxy/identity-headers.ts'
import type { ProxyScope } from '../proxy/routes.ts'
import type { Target } from '../proxy/target.ts'
import type { Upstream } from '../proxy/upstreams.ts'
import { type CookieForm, isOwnCookie } from '../session/cookie.ts'
import type { LiveSession } from '../session/reader.ts'
import type { Claims } from '../session/session.ts'
import { noMetrics } from '../telemetry/metrics.ts'
import type { Outcome } from './explain.ts'

export interface WitnessOptions {
  readonly compiled: CompiledConfig
  readonly publicUrl: URL
  readonly cookie: CookieForm
  readonly target: Target
  readonly claims: Claims | undefined
}

/** What came of a request. */
export interface Seen {
  readonly route: CompiledRoute | undefined
  readonly outcome: Outcome
}

export interface Witness {
  /** Sees which route a request to this app has, and how it is refused. To be called before routes are registered. */
  watch (app: FastifyInstance): void
  readonly scope: Omit<ProxyScope, 'streams'>
  /** @throws TypeError nothing has happened */
  tell (): Seen
}

export function createWitness ({ compiled, publicUrl, cookie, target, claims }: WitnessOptions): Witness {
  const live = claims === undefined ? undefined : liveAs(claims)
  const names = identityNames(compiled.routes)
  let route: CompiledRoute | undefined
  let refusedBy: string | undefined
  let sentByClient: readonly string[] = []
  let outcome: Outcome | undefined

  function refusal (error: unknown): Outcome {
    const need = signInNeedOf(error)
    if (need !== undefined) return { kind: 'sign-in', need, unauthenticated: route?.unauthenticated ?? 'auto' }
    const { status, code } = problemOf(error)
    return { kind: 'refused', status, code, by: refusedBy }
  }

  /** The token that would be injected, by whose it is and its scopes. */
  function acquire (holder: TokenHolder, scopeSet: number): ReadyToken {
    const bearer = `Bearer <${holder.kind === 'app' ? 'the gateway\'s own ' : ''}access token for ${compiled.scopeSets[scopeSet]!.scopes.join(' ')}>`
    return { kind: 'token', bearer, softAt: Infinity, hardAt: Infinity, source: 'ready' }
  }

  /** Groups that a token has no room for are not in the file either. */
  function askNobody (): never {
    refusedBy = 'what only the provider knows'
    throw new errors.SG_PROVIDER_UNAVAILABLE()
  }

  function dispatch ({ path, headers }: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { upstreamName, upstreamUrl, requestHeaders } = route!
    outcome = {
      kind: 'forwarded',
      upstream: upstreamName,
      url: upstreamUrl.origin + path,
      added: describe(headers as string[], sentByClient),
      removed: [...ownedNames, ...names, ...requestHeaders.remove]
    }
    handler.onConnect?.(() => {})
    handler.onHeaders?.(204, [], () => {}, '')
    return true
  }

  return {
    watch (app) {
      app.addHook('onRequest', (request, _reply, done) => {
        request.raw.target = target
        sentByClient = request.raw.rawHeaders
        route = compiled.routes.find(({ id }) => id === request.routeOptions.config.route)
        done()
      })
      app.setErrorHandler((error, _request, reply) => {
        outcome = refusal(error)
        return reply.code(500).send()
      })
    },
    scope: {
      compiled,
      metrics: noMetrics,
      upstreams: {
        inFlight: () => [],
        get: name => ({ name, dispatcher: { dispatch } as Dispatcher, inFlight: 0, endedReused: () => false } satisfies Upstream),
        close: async () => {}
      },
      guards: {
        reader: { find: () => live, hasCookie: () => false, touch: () => {} },
        provider: {
          acquire,
          identify: () => ({ kind: 'refused', why: 'nobody sent one' }),
          rejected: () => {},
          renewClaims: askNobody,
          groupsOf: askNobody
        },
        publicOrigin: publicUrl.origin,
        // Claims of a file are never too old.
        now: () => 0,
        endSession: async () => {},
        onInvalidCookie: () => {},
        onUnknownToken: () => {},
        onInvalidToken: () => {},
        onRefusal: (_route, by) => { refusedBy = by }
      },
      headers: {
        publicUrl, isOwnCookie: isOwnCookie(cookie), identityNames: names, peerOf: () => stranger, onPlantedCookie: () => {}
      }
    },
    tell () {
      if (outcome === undefined) throw new TypeError('the request has had no outcome')
      return { route, outcome }
    }
  }
}

const stranger = { address: '', isTrusted: false }

function liveAs (claims: Claims): LiveSession {
  const account = { tid: textOf(claims.tid), oid: textOf(claims.oid), homeAccountId: '', environment: '' }
  const absoluteEndsAt = Infinity
  const session = { account, claims, createdAt: 0, idleEndsAt: Infinity, absoluteEndsAt }
  return { kind: 'session', key: '', account, absoluteEndsAt, session, stamp: 0, claimsStamp: 0, readAt: 0, claimsDueAt: Infinity }
}

function textOf (claim: unknown): string {
  return typeof claim === 'string' ? claim : ''
}

/** What differs from request to request. */
const differing: Readonly<Record<string, string>> = {
  'x-forwarded-for': '<address of the client>',
  'x-request-id': '<that of a trusted proxy, or new>',
  traceparent: '<that of a trusted proxy, or new>'
}

/** The fields of a flat list that the client has not sent as they are. */
function describe (headers: readonly string[], sentByClient: readonly string[]): Array<readonly [string, string]> {
  const sent = new Set(pairsOf(sentByClient).map(([name, value]) => `${name.toLowerCase()}:${value}`))
  const added = pairsOf(headers).filter(([name, value]) => !sent.has(`${name.toLowerCase()}:${value}`))
  return added.map(([name, value]) => [name, differing[name] ?? value] as const)
}

function pairsOf (list: readonly string[]): Array<readonly [string, string]> {
  return list.flatMap((name, i) => i % 2 === 0 ? [[name, list[i + 1]!] as const] : [])
}
