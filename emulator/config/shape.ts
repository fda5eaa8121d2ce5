/** This file is the shape of the emulator's configuration, as written in YAML or handed to `startEmulator`. */

export interface EmulatorConfig {
  /** What clients see; host name and default port. Default https://localhost:8443. */
  readonly origin?: string
  /** `own` (default): issuer = origin, valid nowhere else. `microsoft`: real issuer URLs over our own keys; needs a flag. */
  readonly issuerMode?: 'own' | 'microsoft'
  /** `auto` (default): HTTPS with an own CA. `off`: plain http, for clients that are given `authorityMetadata`. */
  readonly tls?: 'auto' | 'off'
  readonly tenants: readonly TenantConfig[]
  readonly lifetimes?: Partial<Lifetimes>
  readonly quirks?: Partial<Quirks>
}

export interface TenantConfig {
  readonly id: string
  readonly name?: string
  readonly domains: readonly string[]
  readonly settings?: Partial<TenantSettings>
  readonly users?: readonly UserConfig[]
  readonly apps?: readonly AppConfig[]
  readonly grants?: readonly GrantConfig[]
  readonly policies?: readonly PolicyConfig[]
}

export interface TenantSettings {
  /** Who may consent: every user, nobody but admins, or users for apps of a verified publisher. */
  readonly userConsent: 'all' | 'none' | 'verified'
  /** Leads to 90095 instead of 90094 on the "Need admin approval" page. */
  readonly adminConsentWorkflow: boolean
}

export type UserState = 'active' | 'disabled' | 'locked' | 'passwordExpired'

export interface UserConfig {
  /** Default: derived from tenant and UPN, so the same in every run. */
  readonly oid?: string
  readonly upn: string
  readonly name?: string
  readonly mail?: string | null
  /** null or absent: signs in without a password. */
  readonly password?: string | null
  /** A registered second factor; without one an MFA policy asks to enrol (50079). */
  readonly mfa?: { readonly method: 'approve' } | null
  readonly state?: UserState
  /** App role values per app, which is named by client id, App ID URI or name. */
  readonly roles?: Readonly<Record<string, readonly string[]>>
  readonly groups?: readonly string[]
  /** That many made-up groups on top. */
  readonly generateGroups?: number
  readonly globalAdmin?: boolean
  /** Home tenant id: makes the user a guest here. */
  readonly guestOf?: string
  readonly compliantDevice?: boolean
}

export interface AppConfig {
  readonly clientId: string
  readonly name?: string
  readonly publisher?: string
  readonly verifiedPublisher?: boolean
  readonly state?: 'enabled' | 'disabled'
  /** `multi`: users of every tenant of this emulator may sign in. */
  readonly audience?: 'single' | 'multi'
  readonly redirectUris?: Partial<RedirectUris>
  readonly logoutUrl?: string
  readonly secrets?: readonly { readonly value: string, readonly expires?: string | Date }[]
  /** PEM text, or the path of a PEM file relative to the config file. */
  readonly certificates?: readonly { readonly pem: string }[]
  readonly federated?: readonly FederatedCredential[]
  readonly requiredResourceAccess?: readonly ResourceScopes[]
  readonly optionalClaims?: Partial<OptionalClaims>
  readonly groupMembershipClaims?: GroupMembershipClaims
  readonly assignmentRequired?: boolean
  readonly implicit?: { readonly idToken?: boolean, readonly accessToken?: boolean }
  readonly identifierUris?: readonly string[]
  readonly accessTokenVersion?: 1 | 2
  readonly scopes?: readonly { readonly value: string, readonly consent?: 'user' | 'admin', readonly description?: string }[]
  readonly appRoles?: readonly { readonly value: string, readonly for?: 'user' | 'application' }[]
  /** Application permissions (app roles of other apps) this app was granted by an admin. */
  readonly applicationPermissions?: readonly { readonly resource: string, readonly roles: readonly string[] }[]
  /** Client ids that need no consent for any scope of this API. */
  readonly preAuthorized?: readonly string[]
  /** Client ids whose consent also covers what this API itself requires. */
  readonly knownClientApplications?: readonly string[]
}

export interface RedirectUris {
  readonly web: readonly string[]
  readonly spa: readonly string[]
  readonly publicClient: readonly string[]
}

export interface FederatedCredential {
  readonly issuer: string
  readonly subject: string
  readonly audience?: string
  /** A JWK Set, or the path of its file relative to the config file. */
  readonly jwks: string | { readonly keys: readonly Record<string, unknown>[] }
}

export interface ResourceScopes {
  readonly resource: string
  readonly scopes: readonly string[]
}

export interface OptionalClaims {
  readonly idToken: readonly string[]
  readonly accessToken: readonly string[]
}

export type GroupMembershipClaims = 'None' | 'SecurityGroup' | 'ApplicationGroup' | 'DirectoryRole' | 'All'

export interface GrantConfig {
  readonly client: string
  readonly resource: string
  readonly scopes: readonly string[]
  /** `all` users of the tenant (default), or one user's UPN or oid. */
  readonly principal?: string
}

export interface PolicyConfig {
  readonly id?: string
  readonly name: string
  readonly enabled?: boolean
  /** UPNs or oids; absent: everybody. */
  readonly users?: readonly string[]
  /** Target by app (client id, App ID URI or name; `all`), matched against client and resource. */
  readonly apps?: readonly string[]
  /** Target by authentication context, c1 to c99. */
  readonly authContext?: string
  readonly grant?: PolicyGrant
  /** Seconds after which a sign-in is too old. */
  readonly signInFrequency?: number
}

export type PolicyGrant = 'mfa' | 'block' | 'compliantDevice' | 'passwordChange'

/** Seconds; pairs are the ends of a random range. Access tokens must outlive 300 s or MSAL never caches them. */
export interface Lifetimes {
  readonly code: number
  readonly accessToken: readonly [number, number]
  readonly idToken: number
  readonly refreshToken: number
  readonly cae: readonly [number, number]
}

/** Points where live behaviour varies or is uncertain; each can be set. */
export interface Quirks {
  /** `revoke`: a used refresh token stops working. Entra allows reuse. */
  readonly refreshReuse: 'allow' | 'revoke'
  /** Seconds that `iat` and `nbf` lie before the moment of issue. */
  readonly iatSkew: number
  /** Front-channel logout requests also carry `iss`. */
  readonly frontChannelIss: boolean
  /** A refresh for scopes of two resources fails (28000) instead of taking the first. */
  readonly strictRefreshScopes: boolean
  /** A code redemption without `scope` fails (28003). */
  readonly requireTokenScope: boolean
  /** What stands before "Trace ID" in an error description. */
  readonly descriptionStyle: 'space' | 'crlf'
  readonly codeLength: number
  readonly rtLength: number
  /** Shows "Stay signed in?" after each sign-in. */
  readonly staySignedIn: boolean
  /** `error` of `prompt=none` without consent. */
  readonly silentConsentError: 'consent_required' | 'interaction_required'
  /** HTTP status of error pages. */
  readonly errorPageStatus: number
}
