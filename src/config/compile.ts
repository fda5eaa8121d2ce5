/**
 * This file turns a config into what a request needs: everything that can be decided at start is decided here, once.
 */
import { isGuid } from './formats.ts'
import { deepFreeze } from './freeze.ts'
import type { Config } from './schema.ts'
import { createScopeSets, type ScopeSet } from './scope-sets.ts'
import { buildTable, expandMethods, type Matchable, type TableEntry } from './table.ts'

type Route = Config['routes'][number]
type Upstream = Config['upstreams'][string]

export type { ScopeSet }
export type RouteEntry = TableEntry<CompiledRoute>

/** Changes to a header section. Names are lower case. */
export interface HeaderEdit {
  readonly set: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

/** A configured route with all that its requests need. */
export interface CompiledRoute extends Matchable {
  /** Unique and readable, for logs and metrics: `POST,PUT portal.contoso.com/api/orders/*`. */
  readonly id: string
  /** The literal part: `/api/orders` of `/api/orders/*`, empty for `/*`, the path itself when it is exact. */
  readonly prefix: string
  readonly wildcard: boolean
  readonly upstreamName: string
  /** Origin without a final slash; base path with its slash in front and none behind, or empty. */
  readonly upstreamUrl: { readonly origin: string, readonly basePath: string }
  readonly rewrite: string | undefined
  readonly access: Route['access']
  readonly allow: Route['allow']
  readonly deny: Route['deny']
  readonly requireAuthContext: string | undefined
  /** Index into the scope sets, -1 when the route gets no token. */
  readonly scopeSet: number
  /** Whose token that is. */
  readonly token: 'user' | 'app'
  readonly claimsChallenge: Route['claimsChallenge']
  readonly unauthenticated: Route['unauthenticated']
  readonly identityHeaders: Route['identityHeaders']
  readonly requestHeaders: HeaderEdit
  readonly responseHeaders: HeaderEdit
  readonly websocket: boolean
  /** Whose pages may open WebSockets besides the gateway's own. */
  readonly allowedOrigins: readonly string[]
  readonly maxMessageBytes: number
  readonly streaming: boolean
  readonly timeouts: Upstream['timeouts']
  readonly maxBodyBytes: number
  readonly allowEncodedSlash: boolean
  readonly csrf: Route['csrf']
}

/** A config, ready to serve. Deeply frozen. */
export interface CompiledConfig {
  /** In the order of the config. */
  readonly routes: readonly CompiledRoute[]
  readonly scopeSets: readonly ScopeSet[]
  /**
   * The groups that rules name by their object ids, in lower case, and the scope set of the tokens to look them up with;
   * undefined when no rule does.
   */
  readonly groups: { readonly named: readonly string[], readonly scopeSet: number } | undefined
  /** What the router registers, each entry as it is. */
  readonly table: readonly RouteEntry[]
}

export function compileConfig (config: Config): CompiledConfig {
  const scopeSets = createScopeSets()
  const routes = config.routes.map(route => compileRoute(route, config, scopeSets.indexOf))
  const named = groupsNamedBy(routes)
  // The least that lets users list their own groups.
  const groups = named.length === 0 ? undefined : { named, scopeSet: scopeSets.indexOf(['User.Read']) }
  return deepFreeze({ routes, scopeSets: scopeSets.all, groups, table: buildTable(routes) })
}

function groupsNamedBy (routes: readonly CompiledRoute[]): string[] {
  const rules = routes.flatMap(({ allow, deny }) => [...allow?.groups ?? [], ...deny?.groups ?? []])
  return [...new Set(rules.filter(isGuid))]
}

function compileRoute (route: Route, config: Config, scopeSetOf: (scopes: readonly string[]) => number): CompiledRoute {
  const upstream = config.upstreams[route.upstream]!
  const wildcard = route.path.endsWith('/*')
  const hosts = route.hosts?.map(host => host.toLowerCase())
  const getsToken = route.access !== 'public' && route.token !== 'none'
  return {
    id: idOf({ ...route, hosts }),
    path: route.path,
    hosts,
    methods: expandMethods(route.methods),
    prefix: wildcard ? route.path.slice(0, -2) : route.path,
    wildcard,
    upstreamName: route.upstream,
    upstreamUrl: partsOf(new URL(upstream.url)),
    rewrite: route.rewrite,
    access: route.access,
    allow: compileRule(route.allow),
    deny: compileRule(route.deny),
    requireAuthContext: route.requireAuthContext,
    scopeSet: getsToken ? scopeSetOf(route.scopes ?? upstream.scopes) : -1,
    token: route.token === 'app' ? 'app' : 'user',
    claimsChallenge: route.claimsChallenge,
    unauthenticated: route.unauthenticated,
    identityHeaders: route.identityHeaders,
    requestHeaders: compileHeaders(route.requestHeaders),
    responseHeaders: compileHeaders(route.responseHeaders),
    websocket: route.websocket,
    allowedOrigins: route.allowedOrigins ?? [],
    maxMessageBytes: route.maxMessageBytes,
    streaming: route.streaming,
    timeouts: { ...upstream.timeouts, ...route.timeouts },
    maxBodyBytes: route.maxBodyBytes ?? config.server.limits.maxBodyBytes,
    allowEncodedSlash: route.allowEncodedSlash,
    csrf: route.csrf
  }
}

/** Entra writes ids in lower case; a rule in capitals has to mean the same, above all one that denies. */
function compileRule (rule: Route['allow']): Route['allow'] {
  if (rule === undefined) return undefined
  const lower = (ids: readonly string[]) => ids.map(id => /^[0-9a-f-]{36}(?:\/[0-9a-f-]{36})?$/i.test(id) ? id.toLowerCase() : id)
  const { tenants, users, groups } = rule
  return {
    ...rule,
    ...(tenants === undefined ? {} : { tenants: lower(tenants) }),
    ...(users === undefined ? {} : { users: lower(users) }),
    ...(groups === undefined ? {} : { groups: lower(groups) })
  }
}

function idOf ({ methods, hosts, path }: Pick<Route, 'methods' | 'hosts' | 'path'>): string {
  const place = `${hosts?.join(',') ?? ''}${path}`
  return methods === undefined ? place : `${methods.join(',')} ${place}`
}

function partsOf (url: URL): CompiledRoute['upstreamUrl'] {
  return { origin: url.origin, basePath: url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname }
}

function compileHeaders (edit: Route['requestHeaders']): HeaderEdit {
  const set = Object.entries(edit?.set ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const)
  return { set: Object.fromEntries(set), remove: (edit?.remove ?? []).map(name => name.toLowerCase()) }
}

/**
 * The path that the upstream gets, before its base path: the literal part of the route is replaced once, at the start.
 *
 * @param path - canonical path of a request that this route matched
 */
export function rewritePath (route: CompiledRoute, path: string): string {
  if (route.rewrite === undefined) return path
  const rest = path.slice(route.prefix.length)
  if (rest === '') return route.rewrite
  return route.rewrite.endsWith('/') ? route.rewrite.slice(0, -1) + rest : route.rewrite + rest
}
