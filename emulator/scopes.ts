/** This file resolves scope strings to the resources they belong to (rules 1-6 of Entra's scope resolution). */
import type { App, Tenant } from './directory/directory.ts'
import { findApp, sameText } from './directory/find.ts'
import { GRAPH_ID, GRAPH_URI, OIDC_SCOPES } from './directory/graph-app.ts'
import { EntraError } from './errors/entra-error.ts'

export interface RequestedScope {
  /** As sent: its form decides the form of the echo. */
  readonly raw: string
  readonly value: string
  /** Resource as sent, or null for the short form, which means Graph. */
  readonly prefix: string | null
}

/** The scopes asked of one resource. */
export interface ResourceRequest {
  readonly resource: App
  readonly scopes: readonly RequestedScope[]
  /** `{resource}/.default` was asked for; it stands alone. */
  readonly isDefault: boolean
}

export interface ScopeRequest {
  /** Lower case, some of OIDC_SCOPES. */
  readonly oidc: readonly string[]
  /** In the order asked. */
  readonly resources: readonly ResourceRequest[]
}

export interface ScopeContext {
  readonly client: App
  readonly tenant: Tenant
  readonly tenants: readonly Tenant[]
}

/** @throws EntraError 70011 bad form, 500011 unknown resource, 650053 unknown scope, 90009 an app asking for itself by URI */
export function resolveScopes (scope: string, context: ScopeContext): ScopeRequest {
  if (scope.includes(',')) throw new EntraError(70011, { detail: `The scope ${scope} is not valid.` })
  const unique = new Map(scope.split(/\s+/).filter(Boolean).map((word) => [word.toLowerCase(), word]))
  const oidc = [...unique.keys()].filter((word) => OIDC_SCOPES.includes(word))
  const byResource = new Map<App, RequestedScope[]>()
  for (const [lowerCase, word] of unique) {
    if (OIDC_SCOPES.includes(lowerCase)) continue
    const item = splitScope(word)
    const resource = findResource(item, context)
    byResource.set(resource, [...byResource.get(resource) ?? [], item])
  }
  const resources = [...byResource].map(([resource, scopes]) => checkScopes(resource, scopes))
  if (resources.length > 1 && resources.some(({ isDefault }) => isDefault)) throw mixedDefault(scope)
  return { oidc, resources }
}

/** The last slash divides, so that a resource ending in a slash keeps it: `https://management.azure.com//.default`. */
function splitScope (raw: string): RequestedScope {
  const at = raw.lastIndexOf('/')
  return at < 0 ? { raw, value: raw, prefix: null } : { raw, value: raw.slice(at + 1), prefix: raw.slice(0, at) }
}

function findResource ({ raw, prefix }: RequestedScope, { client, tenant, tenants }: ScopeContext): App {
  const name = prefix ?? GRAPH_URI
  const resource = findApp(name, tenant, tenants)
  const isNamedByItself = resource !== undefined && !sameText(resource.name, name)
  if (!isNamedByItself) throw new EntraError(500011, { detail: `The resource principal named ${name} was not found in the tenant named ${tenant.name}.` })
  if (resource.clientId === client.clientId && !sameText(name, client.clientId)) throw new EntraError(90009, { detail: raw })
  return resource
}

function checkScopes (resource: App, scopes: readonly RequestedScope[]): ResourceRequest {
  const isDefault = scopes.some(({ value }) => sameText(value, '.default'))
  if (isDefault && scopes.length > 1) throw mixedDefault(scopes.map(({ raw }) => raw).join(' '))
  for (const { value } of isDefault ? [] : scopes) {
    if (scopeNamed(value, resource) === undefined) {
      throw new EntraError(650053, { detail: `The application asked for scope '${value}' that doesn't exist on the resource '${resource.clientId}'.` })
    }
  }
  return { resource, scopes, isDefault }
}

function mixedDefault (scope: string): EntraError {
  return new EntraError(70011, { detail: `The scope ${scope} is not valid. .default scope can't be combined with resource-specific scopes.` })
}

/** The scope as the resource defines it: the right letter case. */
export function scopeNamed (value: string, resource: App): App['scopes'][number] | undefined {
  return resource.scopes.find((scope) => sameText(scope.value, value))
}

/** What a request without any resource scope is for: Graph, with the OIDC scopes alone. */
export function graphOnly (context: ScopeContext): ResourceRequest {
  return { resource: findApp(GRAPH_ID, context.tenant, context.tenants)!, scopes: [], isDefault: false }
}

/**
 * `scope` of a token response: *all* consented scopes of the resource, each in the form asked for.
 *
 * MSAL files the access token under this value, so a form nobody asked for makes every silent call miss its cache.
 *
 * @param granted - scope values as the resource defines them
 */
export function echoScopes (request: ResourceRequest, oidc: readonly string[], granted: readonly string[]): string {
  const asked = request.scopes.find(({ prefix }) => prefix !== null)?.prefix ?? null
  const echoed = granted.filter((value) => !OIDC_SCOPES.includes(value)).map((value) => {
    const same = request.scopes.find((scope) => sameText(scope.value, value))
    return same?.raw ?? (asked === null ? value : `${asked}/${value}`)
  })
  if (request.resource.clientId === GRAPH_ID) echoed.unshift(...oidc.filter((value) => value !== 'offline_access'))
  if (request.isDefault) echoed.push(request.scopes[0]!.raw)
  return echoed.join(' ')
}
