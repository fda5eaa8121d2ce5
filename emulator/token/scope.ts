/** This file resolves the scope of a token request to one resource. */
import { EntraError } from '../errors/entra-error.ts'
import { graphOnly, resolveScopes, type ScopeRequest } from '../scopes.ts'
import { GRANT_TYPES, tenantOf, type TokenContext } from './context.ts'

export function resolveScope (context: TokenContext): void {
  const scope = scopeOf(context)
  const scopeContext = { client: context.client, tenant: tenantOf(context), tenants: context.world.state.tenants }
  const request = resolveScopes(scope, scopeContext)
  requireOneResource(request, context)
  context.part = request.resources[0] ?? graphOnly(scopeContext)
  // What sign-in granted stays granted: a refresh without `openid` still returns an ID token.
  const original = resolveScopes(context.subject?.scope ?? '', scopeContext)
  context.oidc = [...new Set([...request.oidc, ...original.oidc])]
}

function scopeOf ({ parameters, grantType, subject, world }: TokenContext): string {
  const { scope } = parameters
  if (grantType === GRANT_TYPES.client) return requireDefaultScope(scope!)
  if (scope) return scope
  if (grantType === GRANT_TYPES.code && world.quirks.requireTokenScope) throw new EntraError(28003)
  return subject!.scope
}

/** client_credentials takes exactly `{resource}/.default`. */
function requireDefaultScope (scope: string): string {
  if (!/^\S+\/\.default$/.test(scope)) throw new EntraError(1002012, { detail: `'${scope}'.` })
  return scope
}

/** A refresh for two resources takes the first, unless told otherwise; so does a request that names none of its own. */
function requireOneResource ({ resources }: ScopeRequest, { parameters, grantType, world }: TokenContext): void {
  if (resources.length < 2 || !parameters.scope) return
  if (grantType === GRANT_TYPES.refresh && !world.quirks.strictRefreshScopes) return
  throw new EntraError(28000, { detail: `Scope ${parameters.scope} is for ${resources.length} resources.` })
}
