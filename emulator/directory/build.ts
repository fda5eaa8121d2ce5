/** This file turns a configuration into directory records: defaults filled in, references resolved to ids. */
import { createHash, X509Certificate } from 'node:crypto'
import type { AppConfig, EmulatorConfig, GrantConfig, PolicyConfig, TenantConfig, UserConfig } from '../config/shape.ts'
import type { App, AppCertificate, Grant, Policy, Tenant, User } from './directory.ts'
import { findApp } from './find.ts'
import { GRAPH_APP } from './graph-app.ts'

/** @throws Error naming the tenant, user or app that a reference does not find */
export function buildTenants (config: EmulatorConfig): Tenant[] {
  const tenants = config.tenants.map(buildTenant)
  config.tenants.forEach((source, at) => resolveReferences(source, tenants[at]!, tenants))
  return tenants
}

function buildTenant (source: TenantConfig): Tenant {
  return {
    id: source.id,
    name: source.name ?? source.domains[0] ?? source.id,
    domains: [...source.domains],
    settings: { userConsent: 'all', adminConsentWorkflow: false, ...source.settings },
    users: (source.users ?? []).map((user) => buildUser(user, source.id)),
    apps: [GRAPH_APP, ...source.apps ?? []].map((app) => buildApp(app, source.id)),
    grants: [],
    policies: []
  }
}

/** Second pass: what names an app or a user of this or another tenant. */
function resolveReferences (source: TenantConfig, tenant: Tenant, tenants: readonly Tenant[]): void {
  for (const [at, user] of (source.users ?? []).entries()) {
    tenant.users[at]!.roles = Object.fromEntries(Object.entries(user.roles ?? {})
      .map(([app, roles]) => [appNamed(app, tenant, tenants).clientId, [...roles]]))
    if (user.guestOf !== undefined) tenant.users[at]!.home = homeOf(user, tenants)
  }
  tenant.grants = (source.grants ?? []).map((grant) => buildGrant(grant, tenant, tenants))
  tenant.policies = (source.policies ?? []).map((policy) => buildPolicy(policy, tenant, tenants))
}

function appNamed (name: string, tenant: Tenant, tenants: readonly Tenant[]): App {
  const app = findApp(name, tenant, tenants)
  if (app === undefined) throw new Error(`tenant ${tenant.name}: no app "${name}" (client id, App ID URI or name)`)
  return app
}

function userNamed (name: string, tenant: Tenant): User {
  const user = tenant.users.find(({ oid, upn }) => oid === name || upn.toLowerCase() === name.toLowerCase())
  if (user === undefined) throw new Error(`tenant ${tenant.name}: no user "${name}" (UPN or oid)`)
  return user
}

function homeOf (guest: UserConfig, tenants: readonly Tenant[]): User['home'] {
  const home = tenants.find(({ id }) => id === guest.guestOf)
  if (home === undefined) throw new Error(`user ${guest.upn}: home tenant ${guest.guestOf} is not configured`)
  return { tid: home.id, oid: userNamed(guest.upn, home).oid }
}

function buildUser (source: UserConfig, tenantId: string): User {
  const oid = source.oid ?? stableGuid(tenantId, source.upn)
  return {
    oid,
    tenantId,
    upn: source.upn,
    name: source.name ?? source.upn.split('@')[0]!,
    mail: source.mail === undefined ? source.upn : source.mail,
    password: source.password ?? null,
    mfa: source.mfa === undefined ? { method: 'approve' } : source.mfa,
    state: source.state ?? 'active',
    roles: {},
    groups: [...source.groups ?? [], ...generateGroups(tenantId, source.generateGroups ?? 0)],
    globalAdmin: source.globalAdmin ?? false,
    home: { tid: tenantId, oid },
    compliantDevice: source.compliantDevice ?? false,
    passwordChangedAt: 0
  }
}

function generateGroups (tenantId: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => stableGuid(tenantId, `group ${at}`))
}

/** A version 8 GUID (RFC 9562) out of a hash: the same input gives the same id in every run. */
function stableGuid (...parts: readonly string[]): string {
  const hex = createHash('sha256').update(parts.join('\n').toLowerCase()).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** What workload identity federation puts into `aud` unless told otherwise. */
const EXCHANGE_AUDIENCE = 'api://AzureADTokenExchange'

/** Epoch milliseconds; a credential without an end outlives every moved clock. */
const instantOf = (date: string | Date | undefined) => date === undefined ? Number.MAX_SAFE_INTEGER : new Date(date).getTime()

function buildApp (source: AppConfig, tenantId: string): App {
  return {
    clientId: source.clientId,
    tenantId,
    name: source.name ?? source.clientId,
    publisher: source.publisher ?? 'Unverified',
    verifiedPublisher: source.verifiedPublisher ?? false,
    state: source.state ?? 'enabled',
    audience: source.audience ?? 'single',
    redirectUris: { web: [], spa: [], publicClient: [], ...source.redirectUris },
    logoutUrl: source.logoutUrl ?? null,
    secrets: (source.secrets ?? []).map(({ value, expires }) => ({ value, expiresAt: instantOf(expires) })),
    certificates: (source.certificates ?? []).map(({ pem }) => buildCertificate(pem)),
    federated: (source.federated ?? []).map((credential) => ({ audience: EXCHANGE_AUDIENCE, ...credential })),
    requiredResourceAccess: [...source.requiredResourceAccess ?? []],
    optionalClaims: { idToken: [], accessToken: [], ...source.optionalClaims },
    groupMembershipClaims: source.groupMembershipClaims ?? 'None',
    assignmentRequired: source.assignmentRequired ?? false,
    implicit: { idToken: false, accessToken: false, ...source.implicit },
    identifierUris: [...source.identifierUris ?? []],
    accessTokenVersion: source.accessTokenVersion ?? 1,
    scopes: (source.scopes ?? []).map((scope) => ({ consent: 'user', description: scope.value, ...scope })),
    appRoles: (source.appRoles ?? []).map((role) => ({ for: 'user', ...role })),
    applicationPermissions: (source.applicationPermissions ?? []).map((item) => ({ ...item, roles: [...item.roles] })),
    preAuthorized: [...source.preAuthorized ?? []],
    knownClientApplications: [...source.knownClientApplications ?? []]
  }
}

function buildCertificate (pem: string): AppCertificate {
  const der = new X509Certificate(pem).raw
  const thumbprint = (algorithm: string) => createHash(algorithm).update(der).digest('base64url')
  return { pem, x5t: thumbprint('sha1'), x5tS256: thumbprint('sha256') }
}

/** Also used by the admin API, so that consent given there looks exactly like configured consent. */
export function buildGrant (source: GrantConfig, tenant: Tenant, tenants: readonly Tenant[]): Grant {
  const principal = source.principal ?? 'all'
  return {
    client: appNamed(source.client, tenant, tenants).clientId,
    resource: appNamed(source.resource, tenant, tenants).clientId,
    scopes: [...source.scopes],
    principal: principal === 'all' ? 'all' : userNamed(principal, tenant).oid
  }
}

function buildPolicy (source: PolicyConfig, tenant: Tenant, tenants: readonly Tenant[]): Policy {
  const appIds = source.apps?.map((app) => app === 'all' ? 'all' : appNamed(app, tenant, tenants).clientId)
  return {
    id: source.id ?? stableGuid(tenant.id, source.name),
    name: source.name,
    enabled: source.enabled ?? true,
    users: source.users?.map((user) => userNamed(user, tenant).oid) ?? null,
    apps: appIds ?? null,
    authContext: source.authContext ?? null,
    grant: source.grant ?? null,
    signInFrequency: source.signInFrequency ?? null
  }
}
