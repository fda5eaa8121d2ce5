/** This file holds the rule that no request fits two routes equally well, and that every route can get one. */
import { METHODS } from './schema-routes.ts'
import type { RuleContext, SoundRoute } from './sound.ts'
import { expandMethods } from './table.ts'

interface Placed {
  readonly index: number
  readonly path: string
  /** Lower case; a single undefined stands for any host. */
  readonly hosts: readonly (string | undefined)[]
  readonly methods: readonly string[] | undefined
}

/**
 * Two routes of the same path and host must not list the same method; GET counts as HEAD too. One of them may list none: it
 * gets the methods that the others leave, and there must be some.
 */
export function checkRivals (routes: readonly (SoundRoute | undefined)[], { report, lineOf }: RuleContext): void {
  const placed = routes.flatMap((route, index) => route === undefined ? [] : [place(route, index)])

  for (const one of placed) {
    const rivals = placed.filter(other => other !== one && meet(one, other))
    const earlier = rivals.find(other => other.index < one.index && methodsOfBoth(one, other).length > 0)
    if (earlier !== undefined) {
      const methods = one.methods === undefined ? 'every method' : methodsOfBoth(one, earlier).join(', ')
      const line = lineOf(`/routes/${earlier.index}`)
      report(`/routes/${one.index}/path`, `is as good a match as the route in line ${line} for ${methods}: change path, hosts or methods of one`)
    } else if (one.hosts.every(host => isShadowed(one, host, rivals))) {
      report(`/routes/${one.index}/path`, 'never matches: other routes of this path and host list every method')
    }
  }
}

function place ({ path, hosts, methods }: SoundRoute, index: number): Placed {
  return { index, path, hosts: hosts?.map(host => host.toLowerCase()) ?? [undefined], methods: expandMethods(methods) }
}

function meet (one: Placed, other: Placed): boolean {
  return one.path === other.path && one.hosts.some(host => other.hosts.includes(host))
}

function methodsOfBoth (one: Placed, other: Placed): readonly string[] {
  if (one.methods === undefined && other.methods === undefined) return METHODS
  return one.methods?.filter(method => other.methods?.includes(method)) ?? []
}

function isShadowed (one: Placed, host: string | undefined, rivals: readonly Placed[]): boolean {
  const listed = rivals.filter(rival => rival.hosts.includes(host)).flatMap(rival => rival.methods ?? [])
  return one.methods === undefined && METHODS.every(method => listed.includes(method))
}
