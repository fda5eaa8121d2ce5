/**
 * This file keeps letter case from weakening a rule: `/ADMIN` is another path than `/admin` here, but not for every
 * backend. A path that is a route's in another spelling gets the stricter rule of the two (security.md, T4).
 */
import type { CompiledRoute } from '../config/compile.ts'

/** A configured path: its literal part, whether it stands for what is below, and how strict its strictest route is. */
interface Pattern {
  readonly prefix: string
  readonly wildcard: boolean
  readonly strictness: number
}

/** Takes a canonical path to the one that is routed; `undefined` when neither rule would do for both. */
export type LetterCaseRule = (path: string, host?: string) => string | undefined

/** Each host has its own routes beside those of any host. */
export function letterCaseRule (routes: readonly CompiledRoute[]): LetterCaseRule {
  const rules = new Map([...new Set(routes.flatMap(route => route.hosts ?? []))].map(host => [host, ruleOf(routes, host)]))
  const anyHost = ruleOf(routes, undefined)
  return (path, host = '') => (rules.get(host) ?? anyHost)(path)
}

function ruleOf (all: readonly CompiledRoute[], host: string | undefined): (path: string) => string | undefined {
  const routes = all.filter(({ hosts }) => hosts === undefined || (host !== undefined && hosts.includes(host)))
  const exact = patternsOf(routes, prefix => prefix)
  const folded = patternsOf(routes, fold)
  // With lower-case routes only, a path without capitals is no other spelling of anything: the usual request ends here.
  const isLowerCase = routes.every(({ prefix }) => prefix === fold(prefix))

  return path => {
    if (isLowerCase && !/[A-Z]/.test(path)) return path
    const own = longest(exact, path)
    const other = longest(folded, fold(path))
    if (own === undefined || other === undefined || other.prefix.length <= own.prefix.length) return path
    if (other.strictness < own.strictness) return path
    if (other.strictness === own.strictness) return own.strictness === withRule ? undefined : path
    return other.prefix + path.slice(other.prefix.length)
  }
}

const withRule = 3

function strictnessOf ({ access, allow, deny }: CompiledRoute): number {
  if (allow !== undefined || deny !== undefined) return withRule
  return { public: 0, optional: 1, authenticated: 2 }[access]
}

function patternsOf (routes: readonly CompiledRoute[], key: (prefix: string) => string): Map<string, Pattern> {
  const patterns = new Map<string, Pattern>()
  for (const route of routes) {
    const name = nameOf(key(route.prefix), route.wildcard)
    const strictness = Math.max(strictnessOf(route), patterns.get(name)?.strictness ?? 0)
    patterns.set(name, { prefix: route.prefix, wildcard: route.wildcard, strictness })
  }
  return patterns
}

function nameOf (prefix: string, wildcard: boolean): string {
  return wildcard ? `${prefix}/*` : prefix
}

/** The pattern with the longest literal part that fits, exact before wildcard: what the router would choose. */
function longest (patterns: ReadonlyMap<string, Pattern>, path: string): Pattern | undefined {
  const whole = patterns.get(path)
  if (whole !== undefined) return whole
  for (let end = path.length; end >= 0; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
    const pattern = patterns.get(nameOf(path.slice(0, end), true))
    if (pattern !== undefined) return pattern
  }
  return undefined
}

/** ASCII only: paths are, and what a backend may fold beyond that is refused as a target. */
function fold (text: string): string {
  return text.toLowerCase()
}
