/** This file numbers the scope sets of a config: a request carries an integer, not a list of texts. */
import { parseScope } from './scopes.ts'

/** The scopes of one resource, as a token is asked for. */
export interface ScopeSet {
  readonly index: number
  readonly resource: string
  /** As first written, sorted; no scope of OpenID Connect, which MSAL adds itself. */
  readonly scopes: readonly string[]
}

/** Sets that are the same to Entra share one number, whatever their order and case. */
export function createScopeSets () {
  const all: ScopeSet[] = []
  const byKey = new Map<string, number>()

  function indexOf (texts: readonly string[]): number {
    const scopes = new Map(texts.map(parseScope).filter(scope => scope.resource !== undefined).map(scope => [scope.key, scope]))
    const [first] = scopes.values()
    if (first?.resource === undefined) return -1
    const key = [...scopes.keys()].sort().join(' ')
    const known = byKey.get(key)
    if (known !== undefined) return known
    byKey.set(key, all.length)
    all.push({ index: all.length, resource: first.resource, scopes: [...scopes.values()].map(scope => scope.text).sort() })
    return all.length - 1
  }

  return { all: all as readonly ScopeSet[], /** @returns -1 for a list without a resource */ indexOf }
}
