/** This file holds the rules for routes. */
import { pointerTo } from './problems.ts'
import { checkRivals } from './rules-rivals.ts'
import { checkScopes } from './rules-scopes.ts'
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
    checkHeaders(route, pointer, context)
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
    identityHeaders: route.identityHeaders !== 'none',
    scopes: route.scopes !== undefined && route.scopes.length > 0,
    token: route.token === 'user'
  }
  for (const [key, isSet] of Object.entries(pointless)) {
    if (isSet) report(`${pointer}/${key}`, 'has no place on a public route, which knows no user and gets no token: remove it, or change access')
  }
}

function checkToken (route: SoundRoute, pointer: string, { upstreams }: SoundConfig, context: RuleContext) {
  const scopes = route.scopes ?? upstreams?.[route.upstream]?.scopes
  if (route.scopes !== undefined) checkScopes(route.scopes, `${pointer}/scopes`, context)
  if (route.token === 'user' && scopes?.length === 0) context.report(`${pointer}/token`, 'needs scopes, here or at the upstream')
  if (route.token === 'none' && (route.scopes ?? []).length > 0) context.report(`${pointer}/token`, 'contradicts the scopes of this route: remove one of the two')
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
