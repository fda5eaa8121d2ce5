/** This file is what a tenant holds while the emulator runs: plain, mutable, JSON-serialisable records. */
import type { FederatedCredential, GroupMembershipClaims, OptionalClaims, PolicyGrant, RedirectUris, ResourceScopes, TenantSettings, UserState } from '../config/shape.ts'

export interface Tenant {
  id: string
  name: string
  domains: string[]
  settings: TenantSettings
  users: User[]
  apps: App[]
  grants: Grant[]
  policies: Policy[]
}

export interface User {
  oid: string
  tenantId: string
  upn: string
  name: string
  mail: string | null
  password: string | null
  mfa: { method: 'approve' } | null
  state: UserState
  /** App role values by client id. */
  roles: Record<string, string[]>
  /** Group object ids. */
  groups: string[]
  globalAdmin: boolean
  /** For a guest: where the user lives, and under which oid. */
  home: { tid: string, oid: string }
  compliantDevice: boolean
  /** Epoch milliseconds of the last admin reset; satisfies a `passwordChange` policy. */
  passwordChangedAt: number
}

export interface App {
  clientId: string
  tenantId: string
  name: string
  publisher: string
  verifiedPublisher: boolean
  state: 'enabled' | 'disabled'
  audience: 'single' | 'multi'
  redirectUris: RedirectUris
  logoutUrl: string | null
  secrets: { value: string, expiresAt: number }[]
  certificates: AppCertificate[]
  federated: (FederatedCredential & { audience: string })[]
  requiredResourceAccess: ResourceScopes[]
  optionalClaims: OptionalClaims
  groupMembershipClaims: GroupMembershipClaims
  assignmentRequired: boolean
  implicit: { idToken: boolean, accessToken: boolean }
  identifierUris: string[]
  accessTokenVersion: 1 | 2
  scopes: { value: string, consent: 'user' | 'admin', description: string }[]
  appRoles: { value: string, for: 'user' | 'application' }[]
  applicationPermissions: { resource: string, roles: string[] }[]
  preAuthorized: string[]
  knownClientApplications: string[]
}

/** A registered client certificate; thumbprints are base64url over the DER, as in `x5t` and `x5t#S256`. */
export interface AppCertificate {
  pem: string
  x5t: string
  x5tS256: string
}

/** A delegated permission grant (oauth2PermissionGrant): client x resource x user or all. */
export interface Grant {
  client: string
  /** Client id of the resource. */
  resource: string
  /** Scope values without prefix. */
  scopes: string[]
  /** `all`, or a user's oid. */
  principal: string
}

export interface Policy {
  id: string
  name: string
  enabled: boolean
  /** oids; null: everybody. */
  users: string[] | null
  /** Client ids; null: not targeted by app; `['all']`: every app. */
  apps: string[] | null
  authContext: string | null
  grant: PolicyGrant | null
  /** Seconds; null: no limit. */
  signInFrequency: number | null
}
