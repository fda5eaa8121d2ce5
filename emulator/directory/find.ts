/** This file looks records up by the many names Entra lets one use. */
import type { App, Tenant, User } from './directory.ts'

/** Tenant names that stand for "wherever the user lives". */
export const TENANTLESS: readonly string[] = ['common', 'organizations']

export const sameText = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
const withoutSlash = (uri: string) => uri.endsWith('/') ? uri.slice(0, -1) : uri

/** By GUID or verified domain. */
export function findTenant (name: string, tenants: readonly Tenant[]): Tenant | undefined {
  return tenants.find(({ id, domains }) => sameText(id, name) || domains.some((domain) => sameText(domain, name)))
}

/** An app of the tenant, or a multi-tenant one of another, by client id, App ID URI or name. */
export function findApp (name: string, tenant: Tenant, tenants: readonly Tenant[]): App | undefined {
  const foreign = tenants.filter((other) => other !== tenant).flatMap(({ apps }) => apps)
  const visible = [...tenant.apps, ...foreign.filter(({ audience }) => audience === 'multi')]
  return visible.find(({ clientId }) => sameText(clientId, name)) ??
    visible.find(({ identifierUris }) => identifierUris.some((uri) => sameText(withoutSlash(uri), withoutSlash(name)))) ??
    visible.find((app) => sameText(app.name, name))
}

/** An app by client id alone, wherever it is registered. */
export function findClient (clientId: string, tenants: readonly Tenant[]): App | undefined {
  return tenants.flatMap(({ apps }) => apps).find((app) => sameText(app.clientId, clientId))
}

/** A user of one tenant, by UPN, mail or oid. */
export function findUser (name: string, tenant: Tenant): User | undefined {
  return tenant.users.find(({ upn, oid, mail }) => sameText(upn, name) || oid === name || (mail !== null && sameText(mail, name)))
}

/** A user where they live: guests are found in their home tenant. */
export function findHomeUser (name: string, tenants: readonly Tenant[]): User | undefined {
  const atHome = tenants.flatMap(({ users }) => users).filter((user) => user.home.tid === user.tenantId)
  return atHome.find(({ upn, oid }) => sameText(upn, name) || oid === name)
}

/** Every redirect URI of an app, whatever its platform. */
export function allRedirectUris (app: App): string[] {
  return [...app.redirectUris.web, ...app.redirectUris.spa, ...app.redirectUris.publicClient]
}
