/** This file holds the rules for one list of scopes. */
import { parseScope } from './scopes.ts'
import type { RuleContext } from './sound.ts'

/** Entra issues a token for one resource (AADSTS28000), and `.default` only alone (AADSTS70011). */
export function checkScopes (texts: readonly string[], pointer: string, { report, show }: RuleContext): void {
  if (texts.length === 0) return
  const scopes = texts.map(parseScope).filter(scope => scope.resource !== undefined)
  const resources = new Map(scopes.map(({ resource }) => [resource!.toLowerCase(), resource!]))
  if (resources.size === 0) {
    report(pointer, 'name no API: openid, profile, email and offline_access are asked for by themselves')
  } else if (resources.size > 1) {
    const [first, second] = [...resources.values()].map(show)
    report(pointer, `mix ${first} and ${second}, but a token is for one API: use an upstream or route for each`)
  } else if (new Set(scopes.map(scope => scope.key)).size > 1 && scopes.some(scope => scope.key.endsWith('/.default'))) {
    report(pointer, 'must have .default alone: it already stands for every permission that the app registration lists')
  }
}
