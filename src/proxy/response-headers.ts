/**
 * This file decides what a browser sees of an upstream's header section.
 */
import type { CompiledRoute } from '../config/compile.ts'
import { createDecisions } from './decisions.ts'
import { isHopByHop, nominatedBy } from './field-names.ts'

/** Rewrites the flat list of raw names and values that the upstream sent into the one that the client gets. */
export type ResponseHeaderWriter = (raw: readonly Buffer[]) => string[]

export interface ResponsePolicy {
  readonly isOwnCookie: (name: string) => boolean
  /** Told when an upstream tried to set one of the gateway's cookies. */
  readonly onPlantedCookie: (route: CompiledRoute) => void
}

/** Never passed on: site data is the gateway's too, and these two mark its own answers. */
const dropped = new Set(['clear-site-data', 'scopegate', 'scopegate-error', 'proxy-authenticate', 'proxy-authentication-info'])

const act = { pass: 0, drop: 1, connection: 2, cookie: 3, location: 4 } as const
type Act = typeof act[keyof typeof act]

export function responseHeaderWriter (route: CompiledRoute, policy: ResponsePolicy): ResponseHeaderWriter {
  const removed = new Set([...route.responseHeaders.remove, ...Object.keys(route.responseHeaders.set)])
  const set = Object.entries(route.responseHeaders.set).flat()

  const actOf = decisions.about(removed)

  function isPlanted (cookie: string): boolean {
    if (!policy.isOwnCookie(cookieName(cookie))) return false
    policy.onPlantedCookie(route)
    return true
  }

  return function writeResponseHeaders (raw) {
    const list: string[] = []
    let connection: string | undefined
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i]!.toString('latin1')
      const value = raw[i + 1]!.toString('latin1')
      const what = actOf(name)
      if (what === act.pass) list.push(name, value)
      else if (what === act.location) list.push(name, mapLocation(value, route))
      else if (what === act.connection) connection = connection === undefined ? value : `${connection}, ${value}`
      else if (what === act.cookie && !isPlanted(value)) list.push(name, value)
    }
    const nominated = nominatedBy(connection)
    return (nominated === undefined ? list : withoutNominated(list, nominated)).concat(set)
  }
}

function decide (name: string, removed: ReadonlySet<string>): Act {
  if (name === 'connection') return act.connection
  if (isHopByHop(name) || dropped.has(name) || removed.has(name)) return act.drop
  if (name === 'set-cookie') return act.cookie
  return name === 'location' || name === 'content-location' ? act.location : act.pass
}

const decisions = createDecisions(decide)

/** The name a browser would store. A nameless cookie `=a=b` comes back as `a=b`, so it counts as `a` (RFC 6265bis, 5.6). */
function cookieName (setCookie: string): string {
  return setCookie.split(';', 1)[0]!.replace(/^[\s=]+/, '').split('=', 1)[0]!.trim()
}

function withoutNominated (list: readonly string[], nominated: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!.toLowerCase()
    if (name === 'content-length' || !nominated.has(name)) kept.push(list[i]!, list[i + 1]!)
  }
  return kept
}

/**
 * Maps an address on the upstream's own origin to where the client finds it; everything else passes byte for byte. Only
 * an address that parses to exactly that origin is touched: `login`, `//elsewhere` and `javascript:` stay what they are.
 */
export function mapLocation (value: string, route: CompiledRoute): string {
  const { origin, basePath } = route.upstreamUrl
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return value
  const url = new URL(value)
  if (url.origin !== origin || url.username !== '' || url.password !== '') return value
  const path = clientPath(url.pathname, basePath, route)
  // `http://app.internal//evil.example` is on the upstream's origin; `//evil.example` alone is not.
  return path === undefined || path.startsWith('//') ? value : path + url.search + url.hash
}

function clientPath (pathname: string, basePath: string, route: CompiledRoute): string | undefined {
  const isWithin = pathname === basePath || pathname.startsWith(`${basePath}/`)
  const path = isWithin ? pathname.slice(basePath.length) || '/' : undefined
  if (path === undefined || route.rewrite === undefined) return path
  const rewrite = route.rewrite.replace(/\/$/, '')
  return path === rewrite || path.startsWith(`${rewrite}/`) ? route.prefix + path.slice(rewrite.length) : undefined
}
