/**
 * This file has the guard of access rules. It decides by claims that are not too old, and by groups also when the token had
 * no room for them; whoever would be decided about by guesses waits, or is told that the provider is away.
 */
import type { CompiledRoute } from '../config/compile.ts'
import { errors } from '../errors.ts'
import type { ApiCaller } from '../identity/holder.ts'
import type { GroupsOutcome } from '../identity/provider.ts'
import { decideAccess, type Subject } from '../session/access.ts'
import { areStale, issuedAt } from '../session/newer-claims.ts'
import { type LiveSession, takeClaims } from '../session/reader.ts'
import { type Guarded, type GuardDeps, signInAgain } from './guards.ts'

/** @throws SG_ACCESS_DENIED; what {@link IdentityProvider} throws, and SignInRequired, where it had to be asked */
export function requireAccess (deps: GuardDeps, route: CompiledRoute, request: Guarded): void | Promise<void> {
  if (route.allow === undefined && route.deny === undefined) return
  const { live, caller } = request
  // Its token is from the provider, and lives for an hour.
  if (caller !== undefined) return decide(deps, route, request, caller)
  // On an `optional` route with a rule, nobody is as good as somebody whom the rule does not let in.
  if (live === undefined) return refuse(deps, route, request, 'anonymous')
  if (!areStale(live.session.claims, deps.now())) return decide(deps, route, request, live)
  return renewClaims(deps, request, live).then(async () => { await decide(deps, route, request, live) })
}

async function renewClaims (deps: GuardDeps, request: Guarded, live: LiveSession): Promise<void> {
  const outcome = await deps.provider.renewClaims(live, issuedAt(live.session.claims))
  if (outcome.kind !== 'claims') return await signInAgain(deps, request, outcome)
  takeClaims(live, outcome.claims)
}

function decide (deps: GuardDeps, route: CompiledRoute, request: Guarded, user: LiveSession | ApiCaller): void | Promise<void> {
  const decision = decideAccess(route, subjectOf(user))
  if (decision.kind === 'allowed') return
  if (decision.kind === 'refused') return refuse(deps, route, request, decision.by)
  // Graph is asked in a user's name, and an app has none.
  if (user.kind === 'caller' && user.isApp) return refuse(deps, route, request, 'groups')
  const outcome = deps.provider.groupsOf(user)
  if (outcome instanceof Promise) return outcome.then(async late => { await decideByGroups(deps, route, request, late) })
  return decideByGroups(deps, route, request, outcome)
}

function decideByGroups (deps: GuardDeps, route: CompiledRoute, request: Guarded, outcome: GroupsOutcome): void | Promise<void> {
  if (outcome.kind !== 'groups') return signInAgain(deps, request, outcome)
  const { kind, account, claims } = subjectOf((request.live ?? request.caller)!)
  const decision = decideAccess(route, { kind, account, claims, groups: outcome.groups })
  if (decision.kind !== 'allowed') refuse(deps, route, request, decision.kind === 'refused' ? decision.by : 'groups')
}

function subjectOf (user: LiveSession | ApiCaller): Subject {
  return user.kind === 'session' ? user.session : user
}

function refuse ({ onRefusal }: GuardDeps, route: CompiledRoute, request: Guarded, by: string): never {
  onRefusal(route, by, request)
  throw new errors.SG_ACCESS_DENIED()
}
