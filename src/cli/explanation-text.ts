/** This file writes an explanation for people. */
import type { CompiledRoute } from '../config/compile.ts'
import type { Explanation, Forwarded, Outcome } from '../server/explain.ts'

type Row = readonly [label: string, text: string]

export function explanationText (explanation: Explanation): string {
  const { method, host, target, route, rivals, scopes, outcome, onceLetIn } = explanation
  const rows: Row[] = [
    ['request', `${method} ${target ?? '(no acceptable target)'} at ${host}`],
    ['route', route?.id ?? 'none'],
    ...rivals.map(({ route, why }): Row => ['', `${route} ${why}`]),
    ...route === undefined ? [] : routeRows(route, scopes),
    ...outcomeRows(outcome),
    ...onceLetIn === undefined ? [] : [['let in', `from upstream ${onceLetIn.upstream}`] as const, ...forwardedRows(onceLetIn)]
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  return rows.map(([label, text]) => `${label.padEnd(width)}  ${text}\n`).join('')
}

function routeRows (route: CompiledRoute, scopes: readonly string[]): Row[] {
  const rules = (['allow', 'deny'] as const).flatMap((kind): Row[] => route[kind] === undefined ? [] : [[kind, JSON.stringify(route[kind])]])
  const context = route.requireAuthContext === undefined ? '' : `, with authentication context ${route.requireAuthContext}`
  return [['access', route.access + context], ...rules, ...tokenRows(route, scopes)]
}

/** With the sources in the order in which they are asked, as metrics and log name them. */
function tokenRows ({ token }: CompiledRoute, scopes: readonly string[]): Row[] {
  if (scopes.length === 0) return [['token', 'none']]
  if (token === 'app') return [['token', `the gateway's own, for ${scopes.join(' ')}`], ['', 'ready in memory, else refresh (Entra)']]
  return [['token', `for ${scopes.join(' ')}`], ['', 'ready in memory, else cache (the record), else refresh (Entra), else interactive (a sign-in)']]
}

function outcomeRows (outcome: Outcome): Row[] {
  switch (outcome.kind) {
    case 'endpoint': return [['answer', 'an endpoint of the gateway itself']]
    case 'refused': {
      const reason = outcome.why ?? (outcome.by === undefined ? undefined : `by ${outcome.by}`)
      return [['answer', `${outcome.status} ${outcome.code}${reason === undefined ? '' : `: ${reason}`}`]]
    }
    case 'sign-in': return [['answer', `sign-in (${outcome.need.reason}): ${signInAnswers[outcome.unauthenticated]}`]]
    case 'forwarded': return [['answer', `from upstream ${outcome.upstream}`], ...forwardedRows(outcome)]
  }
}

function forwardedRows ({ url, removed, added }: Forwarded): Row[] {
  return [
    ['sent to', url],
    ['removed', removed.join(', ')],
    ...added.map(([name, value], i): Row => [i === 0 ? 'added' : '', `${name}: ${value}`])
  ]
}

const signInAnswers = {
  auto: '302 for a navigation, else 401 SG_SIGN_IN_REQUIRED',
  redirect: '302',
  401: '401 SG_SIGN_IN_REQUIRED'
} as const
