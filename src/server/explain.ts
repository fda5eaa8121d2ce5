/**
 * This file tells what the gateway would do with a request, by doing it: the request takes the way of all requests through
 * checks, router and guards, as somebody with the given claims. What would go to an upstream is written down instead of sent.
 */
import { isEndpoint, ownPath } from '../auth/routes.ts'
import { type CompiledConfig, type CompiledRoute, compileConfig } from '../config/compile.ts'
import type { Config } from '../config/schema.ts'
import type { ErrorCode, SignInNeed } from '../errors.ts'
import { letterCaseRule } from '../proxy/letter-case.ts'
import { proxyRoutes } from '../proxy/routes.ts'
import { createStreams } from '../proxy/streams.ts'
import type { Target } from '../proxy/target.ts'
import { cookieForm } from '../session/cookie.ts'
import type { Claims } from '../session/session.ts'
import type { Logger } from '../telemetry/log.ts'
import { createApp } from './app.ts'
import { knownHosts } from './hosts.ts'
import { checkRequest } from './request-check.ts'
import { type Rival, rivalsOf } from './rivals.ts'
import { createWitness, type Seen } from './witness.ts'

/** A request, as an operator would ask about it. */
export interface Question {
  readonly method: string
  /** A path with its query, at `publicUrl`; or an http(s) URL. Taken byte for byte. */
  readonly url: string
  /** Of the ID token of whoever is signed in; undefined: nobody is. */
  readonly claims?: Claims | undefined
}

export type Outcome =
  /** `by`: which list of the route's rule said no. `why`: what is wrong with a request that never reached a route. */
  | { readonly kind: 'refused', readonly status: number, readonly code: ErrorCode, readonly by?: string, readonly why?: string }
  /** A sign-in is needed: a navigation is redirected to it, anything else gets 401, unless the route says otherwise. */
  | { readonly kind: 'sign-in', readonly need: SignInNeed, readonly unauthenticated: CompiledRoute['unauthenticated'] }
  /** The gateway answers by itself, at an endpoint of its own. */
  | { readonly kind: 'endpoint' }
  | Forwarded

export interface Forwarded {
  readonly kind: 'forwarded'
  readonly upstream: string
  /** As it is sent, byte for byte. */
  readonly url: string
  /** In the order of the wire; what differs from request to request is described in angle brackets. */
  readonly added: ReadonlyArray<readonly [name: string, value: string]>
  /** Names that never get from a client to an upstream, with a `*` for what stands for many. */
  readonly removed: readonly string[]
}

export interface Explanation {
  readonly method: string
  readonly host: string
  /** The canonical path, and the query as it came; undefined when the request gets no further than that. */
  readonly target: string | undefined
  readonly route: CompiledRoute | undefined
  /** Other routes that fit the path, and why they lost. */
  readonly rivals: readonly Rival[]
  /** The scopes of the access token that the route injects; empty when it injects none. */
  readonly scopes: readonly string[]
  readonly outcome: Outcome
  /** What the upstream gets from somebody whom the route lets in, where it does not let in whoever asks. */
  readonly onceLetIn?: Forwarded | undefined
}

export async function explain (config: Config, question: Question, log: Logger): Promise<Explanation> {
  const compiled = compileConfig(config)
  const { method, claims } = question
  const { host, url } = placeOf(question.url, new URL(config.server.publicUrl))
  const request = { method, url, httpVersionMajor: 1, headers: { host }, rawHeaders: ['host', host] }
  const target = checkRequest(request, knownHosts(config))
  const asked = { method, host: request.headers.host, claims }
  if (target.kind === 'refused') {
    const { status, why } = target
    const outcome: Outcome = { kind: 'refused', status, code: 'SG_TARGET_INVALID', why }
    return { method, host: asked.host, target: undefined, route: undefined, rivals: [], scopes: [], outcome }
  }
  const { routes, scopeSets } = compiled
  const path = ownPath(target.path, letterCaseRule(routes)(target.routePath, asked.host))
  const { route, outcome } = await follow(config, compiled, { ...asked, target, path }, log)
  return {
    method,
    host: asked.host,
    target: target.path + target.query,
    route,
    rivals: isOwnPath(path) ? [] : rivalsOf(routes, { ...asked, path }, route),
    scopes: scopeSets[route?.scopeSet ?? -1]?.scopes ?? [],
    outcome,
    onceLetIn: isLetIn(outcome) ? undefined : await followLetIn(config, { ...asked, target, path }, route, log)
  }
}

/** A path is one of `publicUrl`. Nothing is normalised: how a target is spelt is what this is about. */
function placeOf (url: string, publicUrl: URL): { host: string, url: string } {
  const [, host = publicUrl.host, path = url] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url) ?? []
  return { host, url: path === '' ? '/' : path }
}

interface Asked {
  readonly method: string
  /** Without a port. */
  readonly host: string
  readonly claims: Claims | undefined
  readonly target: Target
  /** What its route is looked up by. */
  readonly path: string
}

function isOwnPath (path: string): boolean {
  return /^\/\.auth(?:\/|$)/.test(path)
}

/** Whether it is no question of who asks. */
function isLetIn (outcome: Outcome): boolean {
  return outcome.kind !== 'sign-in' && !(outcome.kind === 'refused' && outcome.code === 'SG_ACCESS_DENIED')
}

/** The same request on the same route without its rules, as somebody of whom only the names of claims are known. */
async function followLetIn (
  config: Config, asked: Asked, route: CompiledRoute | undefined, log: Logger
): Promise<Forwarded | undefined> {
  if (route === undefined) return undefined
  const routes = config.routes.map(one => ({ ...one, allow: undefined, deny: undefined, requireAuthContext: undefined }))
  const open = { ...config, routes } as Config
  const { outcome } = await follow(open, compileConfig(open), { ...asked, claims: asked.claims ?? claimsNamedBy(route) }, log)
  return outcome.kind === 'forwarded' ? outcome : undefined
}

function claimsNamedBy ({ identityHeaders }: CompiledRoute): Claims {
  const named = typeof identityHeaders === 'string' ? presetClaims : Object.values(identityHeaders)
  return Object.fromEntries([...named].map(name => [name, `<${name}>`]))
}

const presetClaims = ['tid', 'oid', 'name', 'preferred_username', 'email', 'groups', 'roles']

const unknown: Outcome = { kind: 'refused', status: 404, code: 'SG_ROUTE_UNKNOWN' }

async function follow (config: Config, compiled: CompiledConfig, asked: Asked, log: Logger): Promise<Seen> {
  const { method, host, path, target, claims } = asked
  if (isOwnPath(path)) return { route: undefined, outcome: isEndpoint(method, path) ? { kind: 'endpoint' } : unknown }
  const publicUrl = new URL(config.server.publicUrl)
  const { name, sameSite } = config.session.cookie
  const witness = createWitness({ compiled, publicUrl, cookie: cookieForm(publicUrl, name, sameSite), target, claims })
  const streams = createStreams({ reader: { find: () => undefined }, now: Date.now })
  const app = createApp(log, compiled, () => '')
  witness.watch(app)
  proxyRoutes(app, { ...witness.scope, streams })
  await app.inject({ method: method as 'GET', url: path, headers: { host, ...fromOurPages } })
  streams.close()
  await app.close()
  return witness.tell()
}

/** As browsers say it of a page of `publicUrl`: whether a request comes from elsewhere is not what is asked here. */
const fromOurPages = { 'sec-fetch-site': 'same-origin' }
