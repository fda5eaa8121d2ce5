/**
 * This file makes the table that the router registers, so that the router's way of choosing gives the contract's answer.
 *
 * The contract looks at the host first, then the longest literal path, then the method. The router (find-my-way) looks at
 * the method first (a tree for each), then the longest path, then the host. Both agree once every path carries every method
 * and, for each host that has routes of its own covering that path, an entry of that host.
 */
import { METHODS } from './schema-routes.ts'

/** What the choice of a route looks at. */
export interface Matchable {
  readonly path: string
  /** Lower case; undefined for any host. */
  readonly hosts: readonly string[] | undefined
  /** With HEAD where there is GET; undefined for every method that no other route of the same path and host lists. */
  readonly methods: readonly string[] | undefined
}

export interface TableEntry<R> {
  /** In the router's notation: `/a/*` for what is below `/a`, a colon doubled. Each path stands once per host and method. */
  readonly path: string
  /** Lower case and without port; undefined for any host. */
  readonly host: string | undefined
  readonly methods: readonly string[]
  /** Undefined where the path is known and the method is not: an unknown route, and no broader route gets the request. */
  readonly route: R | undefined
}

/** The methods that a list stands for: GET implies HEAD. */
export function expandMethods (methods: readonly string[] | undefined): readonly string[] | undefined {
  if (methods === undefined) return undefined
  return METHODS.filter(method => methods.includes(method) || (method === 'HEAD' && methods.includes('GET')))
}

/**
 * @param routes - without two that could both win (rules)
 */
export function buildTable<R extends Matchable> (routes: readonly R[]): readonly TableEntry<R>[] {
  const hosts = [...new Set(routes.flatMap(route => route.hosts ?? []))]
  const anyHost = routes.filter(route => route.hosts === undefined)
  const table = entriesOf(patternsOf(anyHost), undefined, anyHost)
  for (const host of hosts) {
    const own = routes.filter(route => route.hosts?.includes(host))
    const covered = patternsOf(anyHost).filter(pattern => own.some(route => covers(route.path, pattern)))
    table.push(...entriesOf([...new Set([...patternsOf(own), ...covered])], host, own))
  }
  return table
}

/** `/a/*` also matches `/a` itself, which the router has to be told. */
function patternsOf (routes: readonly Matchable[]): string[] {
  const patterns = routes.flatMap(({ path }) => path.endsWith('/*') && path !== '/*' ? [path.slice(0, -2), path] : [path])
  return [...new Set(patterns)]
}

/** Whether every request that reaches this pattern also fits this route's path. */
function covers (path: string, pattern: string): boolean {
  if (path === pattern) return true
  return path.endsWith('/*') && `${pattern}/`.startsWith(path.slice(0, -1))
}

function entriesOf<R extends Matchable> (patterns: readonly string[], host: TableEntry<R>['host'], routes: readonly R[]): TableEntry<R>[] {
  return patterns.flatMap(pattern => {
    const fitting = routes.filter(route => covers(route.path, pattern))
    const longest = Math.max(...fitting.map(literalLength))
    const winners = fitting.filter(route => literalLength(route) === longest)
    const entry = (methods: readonly string[], route: R | undefined) => ({ path: pattern.replaceAll(':', '::'), host, methods, route })

    const listed = winners.flatMap(route => route.methods ?? [])
    const others = METHODS.filter(method => !listed.includes(method))
    const rest = winners.find(route => route.methods === undefined)
    const entries = winners.filter(route => route !== rest).map(route => entry(route.methods!, route))
    return others.length === 0 ? entries : [...entries, entry(others, rest)]
  })
}

/** At equal literals the exact path counts as longer: `/a` before `/a/*`. */
function literalLength ({ path }: Matchable): number {
  return path.endsWith('/*') ? path.length - 2 : path.length + 0.5
}
