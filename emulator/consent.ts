/** This file answers what a client may do for a user: grants, pre-authorisation, and what still needs consent. */
import type { App, Grant, Tenant, User } from './directory/directory.ts'
import { findApp, sameText } from './directory/find.ts'
import { GRAPH_ID, OIDC_SCOPES } from './directory/graph-app.ts'
import { EntraError } from './errors/entra-error.ts'
import { scopeNamed, type ResourceRequest, type ScopeRequest } from './scopes.ts'

export interface ConsentContext {
  readonly client: App
  readonly tenant: Tenant
  readonly tenants: readonly Tenant[]
  readonly user: User
}

/** One line of the consent page. */
export interface MissingScope {
  readonly resource: App
  readonly value: string
  readonly adminOnly: boolean
  readonly description: string
}

function grantsOf ({ client, tenant, user }: ConsentContext): Grant[] {
  const principals = ['all', user.oid]
  return tenant.grants.filter((grant) => grant.client === client.clientId && principals.includes(grant.principal))
}

/** Scope values of the resource that the client holds for the user, in the resource's own order. */
export function grantedScopes (resource: App, context: ConsentContext): string[] {
  const grants = grantsOf(context)
  const isPreAuthorized = resource.preAuthorized.includes(context.client.clientId)
  const scopes = grants.filter((grant) => grant.resource === resource.clientId).flatMap((grant) => grant.scopes)
  const held = new Set(scopes.map((scope) => scope.toLowerCase()))
  // The first consent of any kind adds the basic profile and offline access.
  if (resource.clientId === GRAPH_ID && grants.length > 0) OIDC_SCOPES.forEach((scope) => held.add(scope))
  return resource.scopes.map(({ value }) => value).filter((value) => isPreAuthorized || held.has(value.toLowerCase()))
}

/**
 * What the consent page has to ask for; empty when nothing is missing.
 *
 * `.default` asks for nothing once anything is granted for the resource; before that, it stands for the client's list.
 */
export function missingScopes (request: ScopeRequest, context: ConsentContext): MissingScope[] {
  const isGranted = ({ resource, value }: MissingScope) => grantedScopes(resource, context).includes(value)
  const missing = request.resources.flatMap((part) => wantedOf(part, context)).filter((line) => !isGranted(line))
  const isFirstConsent = grantsOf(context).length === 0
  const needsBasics = isFirstConsent && (missing.length > 0 || request.oidc.length > 0)
  return needsBasics ? [...basicScopes(request, context), ...missing] : missing
}

/** Everything the request names, granted or not: the page of `prompt=consent`. */
export function wantedScopes (request: ScopeRequest, context: ConsentContext): MissingScope[] {
  return [...basicScopes(request, context), ...request.resources.flatMap((part) => wantedOf(part, context))]
}

function basicScopes (request: ScopeRequest, { tenant, tenants }: ConsentContext): MissingScope[] {
  const graph = findApp(GRAPH_ID, tenant, tenants)!
  const values = new Set(['openid', 'profile', 'offline_access', ...request.oidc])
  return [...values].map((value) => lineOf(graph, value))
}

function wantedOf (part: ResourceRequest, context: ConsentContext): MissingScope[] {
  const own = part.isDefault ? defaultScopes(part, context) : part.scopes.map(({ value }) => lineOf(part.resource, value))
  const isKnownClient = part.resource.knownClientApplications.includes(context.client.clientId)
  return isKnownClient ? [...own, ...requiredBy(part.resource, context)] : own
}

function defaultScopes (part: ResourceRequest, context: ConsentContext): MissingScope[] {
  if (grantedScopes(part.resource, context).length > 0) return []
  const listed = requiredBy(context.client, context).filter(({ resource }) => resource.clientId === part.resource.clientId)
  if (listed.length === 0) throw new EntraError(650057)
  return listed
}

/** Static permissions of an app registration. */
export function requiredBy (app: App, { tenant, tenants }: Pick<ConsentContext, 'tenant' | 'tenants'>): MissingScope[] {
  return app.requiredResourceAccess.flatMap(({ resource: name, scopes }) => {
    const resource = findApp(name, tenant, tenants)
    if (resource === undefined) throw new EntraError(65005, { detail: name })
    return scopes.map((value) => lineOf(resource, value))
  })
}

function lineOf (resource: App, name: string): MissingScope {
  const scope = scopeNamed(name, resource)
  if (scope === undefined) throw new EntraError(650053, { detail: `${resource.name} has no scope '${name}'.` })
  return { resource, value: scope.value, adminOnly: scope.consent === 'admin', description: scope.description }
}

/** Whether this user may say yes to these lines, by scope and by tenant setting. */
export function mayConsent (lines: readonly MissingScope[], { client, tenant, user }: ConsentContext): boolean {
  if (user.globalAdmin) return true
  if (client.assignmentRequired || lines.some(({ adminOnly }) => adminOnly)) return false
  const { userConsent } = tenant.settings
  return userConsent === 'all' || (userConsent === 'verified' && client.verifiedPublisher)
}

/** Records consent; widening an existing grant keeps one record per client, resource and principal. */
export function addGrant (tenant: Tenant, added: Grant): void {
  const existing = tenant.grants.find(({ client, resource, principal }) =>
    client === added.client && resource === added.resource && principal === added.principal)
  if (existing === undefined) tenant.grants.push(added)
  else existing.scopes = [...new Set([...existing.scopes, ...added.scopes])]
}

/** Consent to the lines of a page, for one user (oid) or for everybody (`all`). */
export function consentTo (lines: readonly MissingScope[], principal: string, { client, tenant }: ConsentContext): void {
  for (const { resource, value } of lines) {
    addGrant(tenant, { client: client.clientId, resource: resource.clientId, scopes: [value], principal })
  }
}

/**
 * Refuses a token request for something nobody has consented to.
 *
 * @throws EntraError 65001
 */
export function requireGranted (part: ResourceRequest, context: ConsentContext): string[] {
  const granted = grantedScopes(part.resource, context)
  const holds = (value: string) => granted.some((scope) => sameText(scope, value))
  const isCovered = granted.length > 0 && (part.isDefault || part.scopes.every(({ value }) => holds(value)))
  if (!isCovered) {
    throw new EntraError(65001, { detail: `'${context.client.name}' has no consent for ${part.scopes.map(({ raw }) => raw).join(' ') || 'sign-in'}.` })
  }
  return granted
}
