/**
 * This file has the guards: each lets a request go on or throws what it is answered with. Their order is in routes.ts.
 */
import type { IncomingMessage } from 'node:http'
import type { CompiledRoute } from '../config/compile.ts'
import { errors, SignInRequired } from '../errors.ts'
import type { IdentityProvider, TokenOutcome } from '../identity/provider.ts'
import { decideAccess } from '../session/access.ts'
import type { LiveSession, SessionReader } from '../session/reader.ts'
import type { Target } from './target.ts'

declare module 'node:http' {
  interface IncomingMessage {
    /** The canonical target, set by the listener before any route. */
    target?: Target
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The session of this request, once `loadSession` has run. */
    live: LiveSession | undefined
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
  bearer: string | undefined
}

export interface GuardDeps {
  readonly reader: SessionReader
  readonly provider: IdentityProvider
  readonly publicOrigin: string
  readonly endSession: (live: LiveSession) => Promise<void>
  readonly onRefusal: (route: CompiledRoute, by: string, requestId: string) => void
}

/** A guard: answers at once when it can, since most requests never have to wait for anything. */
export type Guard = (deps: GuardDeps, route: CompiledRoute, request: Guarded) => void | Promise<void>

const signIn = { reason: 'sign_in_required', scopes: [] } as const

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

export function requireSession (_deps: GuardDeps, route: Pick<CompiledRoute, 'access'>, request: Guarded): void {
  if (request.live === undefined && route.access === 'authenticated') throw new SignInRequired(signIn)
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

export function requireAccess ({ onRefusal }: GuardDeps, route: CompiledRoute, request: Guarded): void {
  if (route.allow === undefined && route.deny === undefined) return
  const decision = request.live === undefined ? refusedAnonymous : decideAccess(route, request.live.session)
  if (decision.kind === 'allowed') return
  onRefusal(route, decision.by, request.id)
  throw new errors.SG_ACCESS_DENIED()
}

/** On an `optional` route with a rule, nobody is as good as somebody whom the rule does not let in. */
const refusedAnonymous = { kind: 'refused', by: 'anonymous' } as const

export function attachToken (deps: GuardDeps, route: CompiledRoute, request: Guarded): void | Promise<void> {
  if (route.scopeSet < 0 || request.live === undefined) return
  const outcome = deps.provider.acquire(request.live, route.scopeSet)
  if (outcome instanceof Promise) return outcome.then(async late => { await takeToken(deps, request, late) })
  return takeToken(deps, request, outcome)
}

function takeToken ({ endSession }: GuardDeps, request: Guarded, outcome: TokenOutcome): void | Promise<void> {
  if (outcome.kind === 'token') {
    request.bearer = outcome.bearer
    return
  }
  if (!outcome.endSession) throw new SignInRequired(outcome)
  const live = request.live!
  request.live = undefined
  return endSession(live).then(() => { throw new SignInRequired(outcome) })
}
