/** This file says why a route won: which others fit the path of a request, and what made each of them lose. */
import type { CompiledRoute } from '../config/compile.ts'

export interface Rival {
  readonly route: string
  readonly why: string
}

interface Asked {
  readonly method: string
  /** Without a port. */
  readonly host: string
  readonly path: string
}

/** @param winner - undefined when no route takes the request */
export function rivalsOf (routes: readonly CompiledRoute[], asked: Asked, winner: CompiledRoute | undefined): Rival[] {
  const losers = routes.filter(route => route !== winner && covers(route, asked.path))
  return losers.map(route => ({ route: route.id, why: whyNot(route, asked, winner) }))
}

/** In the order of the contract: host, then the longest literal path, then the method. */
function whyNot (route: CompiledRoute, { method, host }: Asked, winner: CompiledRoute | undefined): string {
  if (route.hosts !== undefined && !route.hosts.includes(host)) return 'is for another host'
  if (route.hosts === undefined && winner?.hosts !== undefined) return 'is for any host'
  if (winner !== undefined && literalLength(route) < literalLength(winner)) return 'has a shorter path'
  if (route.methods?.includes(method) === false) return 'is for other methods'
  return winner === undefined ? 'has a shorter path than a route for other methods' : 'is for methods that no other route lists'
}

function covers ({ prefix, wildcard }: CompiledRoute, path: string): boolean {
  return path === prefix || (wildcard && path.startsWith(`${prefix}/`))
}

/** At equal literals the exact path counts as longer. */
function literalLength ({ prefix, wildcard }: CompiledRoute): number {
  return prefix.length + (wildcard ? 0 : 0.5)
}
