/**
 * This file has what the guards do for API clients: requests with a bearer token of their own and without a session. Nobody
 * sits in front of them, so none is ever sent to a sign-in.
 */
import { hasContext, requestFor } from '../config/auth-context.ts'
import type { CompiledRoute } from '../config/compile.ts'
import { challenging, errors, type SignInNeed } from '../errors.ts'
import type { ApiCaller, RefusedToken } from '../identity/holder.ts'
import { findBearer } from './bearer.ts'
import type { GuardDeps, Guarded } from './guards.ts'

/**
 * Where there is no session, a bearer token says who asks. One that is no good is an error also where nobody has to say who
 * they are: its client believes to be known.
 */
export function loadCaller (deps: GuardDeps, route: Pick<CompiledRoute, 'access'>, request: Guarded): void | Promise<void> {
  if (request.live !== undefined || route.access === 'public') return
  const found = findBearer(request.raw.headers.authorization)
  if (found.kind === 'none') return
  const caller = found.kind === 'token'
    ? deps.provider.identify(found.token, () => { deps.onUnknownToken(request.raw) })
    : { kind: 'refused', why: found.why } as const
  if (caller instanceof Promise) return caller.then(late => { takeCaller(deps, request, late) })
  takeCaller(deps, request, caller)
}

function takeCaller ({ onInvalidToken }: GuardDeps, request: Guarded, caller: ApiCaller | RefusedToken): void {
  if (caller.kind === 'caller') {
    request.caller = caller
    return
  }
  onInvalidToken(request.raw)
  throw challenging(new errors.SG_TOKEN_INVALID({ cause: because('TypeError', caller.why) }), { error: 'invalid_token' })
}

/**
 * Any app of the tenant gets a token for any other app by asking for it. Unlike a user, it was not let in by anybody until a
 * role was assigned to it or a rule names it.
 */
export function refuseUnlistedApp ({ onRefusal }: GuardDeps, route: CompiledRoute, request: Guarded): void {
  if (request.caller?.isApp !== true) return
  if (route.allow?.roles !== undefined || route.allow?.users !== undefined) return
  onRefusal(route, 'app', request)
  throw new errors.SG_ACCESS_DENIED()
}

/**
 * An API client's token is for this gateway, and says itself which authentication contexts it was got with. Apps without a
 * user have none, and no way to one.
 */
export function requireContextOf ({ claims, isApp }: ApiCaller, context: string): void {
  if (hasContext(claims, context)) return
  const refused = new errors.SG_ACCESS_DENIED()
  throw isApp ? refused : challenging(refused, { error: 'insufficient_claims', claims: requestFor(context, 'access_token') })
}

/** What an API client is told when there is no token on behalf of its user. */
export function refusalOf ({ reason, claims, cause: number }: SignInNeed): Error {
  const cause = number === undefined ? undefined : because('ProviderRefusal', number)
  if (reason === 'consent_required') return new errors.SG_CONSENT_NEEDED({ cause })
  if (claims !== undefined) return challenging(new errors.SG_ACCESS_DENIED({ cause }), { error: 'insufficient_claims', claims })
  return challenging(new errors.SG_TOKEN_INVALID({ cause }), { error: 'invalid_token' })
}

/** A cause for the log, which shows names and codes. */
function because (name: string, code: string): Error {
  return Object.assign(new Error(code), { name, code })
}
