/**
 * This file has the guards: each lets a request go on or throws what it is answered with. Their order is in routes.ts.
 */
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { hasContext, requestFor } from '../config/auth-context.ts'
import type { CompiledRoute } from '../config/compile.ts'
import { errors, type SignInNeed, type SignInReason, SignInRequired } from '../errors.ts'
import { type ApiCaller, theApp, type TokenHolder } from '../identity/holder.ts'
import type { IdentityProvider, SignInNeeded, TokenOutcome } from '../identity/provider.ts'
import type { LiveSession, SessionReader } from '../session/reader.ts'
import { refusalOf, requireContextOf } from './callers.ts'
import type { Target } from './target.ts'

declare module 'node:http' {
  interface IncomingMessage {
    /** The canonical target, set by the listener before any route. */
    target?: Target
    /** Whether its client asks for WebSocket, so that its connection is no longer Node's to read. Set by the listener. */
    isUpgrade?: boolean
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The session of this request, once `loadSession` has run. */
    live: LiveSession | undefined
    /** The API client whose request this is, once `loadCaller` has run: never together with a session. */
    caller: ApiCaller | undefined
    /** The Authorization value for the upstream, once `attachToken` has run. */
    bearer: string | undefined
  }
}

/** What a guard sees and sets of a request. */
export interface Guarded {
  readonly id: string
  readonly raw: IncomingMessage
  readonly method: string
  live: LiveSession | undefined
  caller: ApiCaller | undefined
  bearer: string | undefined
  tokenSource: FastifyRequest['tokenSource']
  /** Set once a token is wanted that is not ready. */
  wantsToken?: FastifyRequest['wantsToken']
}

export interface GuardDeps {
  readonly reader: Pick<SessionReader, 'find' | 'hasCookie' | 'touch'>
  readonly provider: Pick<IdentityProvider, 'acquire' | 'identify' | 'rejected' | 'renewClaims' | 'groupsOf'>
  readonly publicOrigin: string
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly endSession: (live: LiveSession) => Promise<void>
  /** Counts a request whose session cookie is no session. @throws SG_OVERLOADED there were too many of them */
  readonly onInvalidCookie: (request: IncomingMessage) => void
  /** Before a bearer token is verified that is new here. @throws SG_OVERLOADED too many others from there were no good */
  readonly onUnknownToken: (request: IncomingMessage) => void
  /** Counts a request whose bearer token is no good. @throws SG_OVERLOADED there were too many of them */
  readonly onInvalidToken: (request: IncomingMessage) => void
  readonly onRefusal: (route: CompiledRoute, by: string, request: Pick<Guarded, 'id' | 'live' | 'caller'>) => void
}

/** A guard: answers at once when it can, since most requests never have to wait for anything. */
export type Guard = (deps: GuardDeps, route: CompiledRoute, request: Guarded) => void | Promise<void>

type StepUp = Partial<Pick<CompiledRoute, 'requireAuthContext'>>

/** What brings a session that the route will not send to the sign-in once more. */
function signInFor ({ requireAuthContext }: StepUp, reason: SignInReason): SignInNeed {
  return { reason, scopes: [], claims: requireAuthContext === undefined ? undefined : requestFor(requireAuthContext) }
}

/**
 * An encoded slash or backslash is refused unless the route allows it. The route was found by the decoded path; the part
 * that a rewrite replaces must be there literally too.
 */
export function refuseEncodedSlash (_deps: GuardDeps, route: CompiledRoute, request: Guarded): void {
  const { path, routePath } = request.raw.target!
  if (path === routePath) return
  const hasSlash = /%2F|%5C/.test(path)
  if (hasSlash && !route.allowEncodedSlash) throw new errors.SG_TARGET_INVALID()
  const isLiteral = path.startsWith(route.prefix) && (path.length === route.prefix.length || path[route.prefix.length] === '/')
  if ((hasSlash || route.rewrite !== undefined) && !isLiteral) throw new errors.SG_TARGET_INVALID()
}

/** A store that does not answer throws: nobody is anonymous because of that. */
export function loadSession ({ reader }: GuardDeps, route: Pick<CompiledRoute, 'access'>, request: Guarded): void | Promise<void> {
  if (route.access === 'public') return
  const found = reader.find(request.raw.headers.cookie)
  if (found instanceof Promise) return found.then(live => { request.live = live })
  request.live = found
}

/** Whoever tries out cookies, or goes on with one that has ended, is slowed down. */
export function limitInvalidCookies ({ onInvalidCookie, reader }: GuardDeps, route: Pick<CompiledRoute, 'access'>, request: Guarded): void {
  if (request.live !== undefined || route.access === 'public') return
  if (reader.hasCookie(request.raw.headers.cookie)) onInvalidCookie(request.raw)
}

export function requireSession (_deps: GuardDeps, route: Pick<CompiledRoute, 'access'> & StepUp, request: Guarded): void {
  const isKnown = request.live !== undefined || request.caller !== undefined
  if (!isKnown && route.access === 'authenticated') throw new SignInRequired(signInFor(route, 'sign_in_required'))
}

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND', 'REPORT', 'SEARCH'])

/**
 * An unsafe request that rides on the user's cookie must come from our own pages. Sec-Fetch-Site says so; browsers without
 * it send Origin; a request with neither is refused. Siblings of the same site are strangers.
 */
export function refuseCrossSite ({ publicOrigin }: GuardDeps, route: CompiledRoute, request: Guarded): void {
  if (request.live === undefined || route.csrf === 'off' || safeMethods.has(request.method)) return
  const { 'sec-fetch-site': site, origin } = request.raw.headers
  const isOurs = site === undefined ? origin === publicOrigin : site === 'same-origin' || site === 'none'
  if (!isOurs) throw new errors.SG_ORIGIN_REFUSED()
}

/**
 * A WebSocket is opened on a route for that, by a page of ours or of a listed origin: browsers send the user's cookie along
 * whoever asks, and no other field tells who does. Any other protocol that a client would like to switch to is left aside
 * (RFC 9110, section 7.8). An API client's token does not come by itself, so there the origin says nothing.
 */
export function refuseUpgrade ({ publicOrigin }: GuardDeps, route: CompiledRoute, { raw, caller }: Guarded): void {
  const { upgrade, origin } = raw.headers
  if (upgrade === undefined) return
  if (!route.websocket) {
    if (raw.isUpgrade === true) throw new errors.SG_TARGET_INVALID()
    return
  }
  const isOurs = origin === publicOrigin || (origin !== undefined && route.allowedOrigins.includes(origin))
  if (!isOurs && caller === undefined) throw new errors.SG_ORIGIN_REFUSED()
}

/**
 * Judged by the ID token that this session began with, never by an access token: sessions of a user share those, and one of
 * them may have been stepped up. Nobody satisfies no context, so it counts on `optional` routes too.
 */
export function requireAuthContext (_deps: GuardDeps, route: CompiledRoute, { live, caller }: Guarded): void {
  if (route.requireAuthContext === undefined) return
  if (caller !== undefined) return requireContextOf(caller, route.requireAuthContext)
  if (live === undefined) throw new SignInRequired(signInFor(route, 'sign_in_required'))
  // What a context demands is the tenant's affair: a second factor, a managed device, terms of use.
  if (!hasContext(live.session.claims, route.requireAuthContext)) throw new SignInRequired(signInFor(route, 'interaction_required'))
}

/** Whose token a request on this route carries, if it has one. */
export function holderFor ({ token }: Pick<CompiledRoute, 'token'>, { live, caller }: Guarded): TokenHolder | undefined {
  const user = live ?? caller
  return token === 'app' && user !== undefined ? theApp : user
}

/** The gateway's own token, too, is for somebody who was let in: whoever is anonymous gets none of its powers. */
export function attachToken (deps: GuardDeps, route: CompiledRoute, request: Guarded): void | Promise<void> {
  const holder = holderFor(route, request)
  if (route.scopeSet < 0 || holder === undefined) return
  if (holder.kind === 'caller' && holder.isApp) refuseUserless(deps, route, request)
  const outcome = deps.provider.acquire(holder, route.scopeSet)
  if (!(outcome instanceof Promise)) return takeToken(deps, request, outcome)
  request.wantsToken = true
  return outcome.then(async late => { await takeToken(deps, request, late) })
}

/** An app that calls in its own name has no user on whose behalf there could be a token. */
function refuseUserless ({ onRefusal }: GuardDeps, route: CompiledRoute, request: Guarded): never {
  onRefusal(route, 'no-user', request)
  throw new errors.SG_ACCESS_DENIED()
}

type SessionEnd = Pick<GuardDeps, 'endSession'>

/** Gives the request its token. @throws SignInRequired there is none without a sign-in */
export function takeToken (deps: SessionEnd, request: Guarded, outcome: TokenOutcome): void | Promise<void> {
  if (outcome.kind !== 'token') return signInAgain(deps, request, outcome)
  request.bearer = outcome.bearer
  request.tokenSource = outcome.source
}

/** Ends the session first when it is of no use any more. @throws SignInRequired always, or what an API client can do instead */
export async function signInAgain ({ endSession }: SessionEnd, request: Guarded, needed: SignInNeeded): Promise<never> {
  const { live, caller } = request
  if (caller !== undefined) throw refusalOf(needed)
  if (needed.endSession && live !== undefined) {
    request.live = undefined
    await endSession(live)
  }
  throw new SignInRequired(needed)
}
