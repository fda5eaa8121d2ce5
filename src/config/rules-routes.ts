/** This file holds the rules for routes. */
import { pointerTo } from './problems.ts'
import { checkRivals } from './rules-rivals.ts'
import { checkScopes } from './rules-scopes.ts'
import { parseScope } from './scopes.ts'
import type { RuleContext, SoundConfig, SoundRoute } from './sound.ts'
import { closest } from './words.ts'

/** The router holds 31 handlers of one path, and one of them may be for any host. */
const MAX_HOSTS = 30

export function checkRoutes (config: SoundConfig, context: RuleContext): void {
  const routes = config.routes ?? []
  const hosts = new Set<string>()
  routes.forEach((route, index) => {
    if (route === undefined) return
    const pointer = `/routes/${index}`
    for (const host of route.hosts ?? []) hosts.add(host.toLowerCase())
    checkUpstreamName(route, pointer, config, context)
    checkPublic(route, pointer, context)
    checkToken(route, pointer, config, context)
    checkClaimsChallenge(route, pointer, config, context)
    checkHeaders(route, pointer, context)
    checkWebSocket(route, pointer, context)
  })
  checkRivals(routes, context)
  if (hosts.size > MAX_HOSTS) context.report('/routes', `must not name more than ${MAX_HOSTS} different hosts`)
}

function checkUpstreamName ({ upstream }: SoundRoute, pointer: string, { upstreams }: SoundConfig, context: RuleContext) {
  if (upstreams === undefined || Object.hasOwn(upstreams, upstream)) return
  context.report(`${pointer}/upstream`, `is ${context.show(upstream)}, which is not among the upstreams: ${closest(upstream, Object.keys(upstreams))}`)
}

function checkPublic (route: SoundRoute, pointer: string, { report }: RuleContext) {
  if (route.access !== 'public') return
  const pointless = {
    allow: route.allow !== undefined,
    deny: route.deny !== undefined,
    requireAuthContext: route.requireAuthContext !== undefined,
    identityHeaders: route.identityHeaders !== 'none',
    scopes: route.scopes !== undefined && route.scopes.length > 0,
    token: route.token !== undefined && route.token !== 'none'
  }
  for (const [key, isSet] of Object.entries(pointless)) {
    if (isSet) report(`${pointer}/${key}`, 'has no place on a public route, which knows no user and gets no token: remove it, or change access')
  }
}

function checkToken (route: SoundRoute, pointer: string, config: SoundConfig, context: RuleContext) {
  const scopes = route.scopes ?? config.upstreams?.[route.upstream]?.scopes
  if (route.scopes !== undefined) checkScopes(route.scopes, `${pointer}/scopes`, context)
  if ((route.token === 'user' || route.token === 'onBehalfOf') && scopes?.length === 0) context.report(`${pointer}/token`, 'needs scopes, here or at the upstream')
  if (route.token === 'app') checkAppToken(scopes, `${pointer}/token`, config, context)
  if (route.token === 'none' && (route.scopes ?? []).length > 0) context.report(`${pointer}/token`, 'contradicts the scopes of this route: remove one of the two')
}

/** A token that lives for a day, and is revoked by nothing but a challenge, must not meet a route that passes challenges on. */
function checkClaimsChallenge (route: SoundRoute, pointer: string, { entra, upstreams }: SoundConfig, { report }: RuleContext) {
  if (route.claimsChallenge !== 'passthrough' || !entra?.clientCapabilities?.includes('cp1')) return
  const scopes = route.scopes ?? upstreams?.[route.upstream]?.scopes ?? []
  if (route.access === 'public' || route.token === 'none' || scopes.length === 0) return
  report(`${pointer}/claimsChallenge`, 'contradicts entra.clientCapabilities: with cp1 every route with a token has to handle challenges; remove one of the two')
}

function checkAppToken (scopes: readonly string[] | undefined, pointer: string, { entra }: SoundConfig, { report }: RuleContext) {
  if (entra?.tenantId === 'organizations' || entra?.tenantId === 'common') {
    report(pointer, `app needs one tenant: with tenantId ${entra.tenantId} the gateway would have to say for each request in which one it is itself`)
  }
  // Entra gives an app what an administrator has granted to it, all of it or nothing (AADSTS1002012).
  const [scope = '', ...others] = scopes ?? ['unknown/.default']
  if (others.length > 0 || !scope.includes('/') || !parseScope(scope).key.endsWith('/.default')) {
    report(pointer, 'app needs {resource}/.default as the only scope, here or at the upstream')
  }
}

function checkWebSocket ({ websocket, allowedOrigins, methods }: SoundRoute, pointer: string, { report }: RuleContext) {
  if (allowedOrigins !== undefined && !websocket) report(`${pointer}/allowedOrigins`, 'has no meaning without websocket: true')
  if (websocket && methods?.includes('GET') === false) report(`${pointer}/websocket`, 'needs GET among the methods: a WebSocket begins with it')
}

function checkHeaders (route: SoundRoute, pointer: string, { report }: RuleContext) {
  for (const key of ['requestHeaders', 'responseHeaders'] as const) {
    const seen = new Set<string>()
    const { set = {}, remove = [] } = route[key] ?? {}
    const names = [
      ...Object.keys(set).map(name => [name, pointerTo(`${pointer}/${key}/set`, name)] as const),
      ...remove.map((name, index) => [name, pointerTo(`${pointer}/${key}/remove`, index)] as const)
    ]
    for (const [name, place] of names) {
      if (seen.has(name.toLowerCase())) report(place, 'names a header for the second time, letter case aside: remove one')
      seen.add(name.toLowerCase())
    }
  }
}
