/** This file is one token request on its way through the checks. */
import type { App, Tenant, User } from '../directory/directory.ts'
import type { ResourceRequest } from '../scopes.ts'
import type { Authentication, Platform } from '../state.ts'
import type { ClientStrength } from '../tokens/access-token.ts'
import type { Forgery } from '../tokens/forge.ts'
import type { World } from '../world.ts'

export const GRANT_TYPES = {
  code: 'authorization_code',
  refresh: 'refresh_token',
  client: 'client_credentials',
  onBehalfOf: 'urn:ietf:params:oauth:grant-type:jwt-bearer'
} as const

export type GrantType = (typeof GRANT_TYPES)[keyof typeof GRANT_TYPES]

/** The user a token is for, and how they proved it. Absent in client_credentials. */
export interface Subject {
  readonly user: User
  readonly authentication: Authentication
  readonly platform: Platform
  /** `scope` of the original grant. */
  readonly scope: string
  /** `claims` of /authorize, which count for the tokens of its code. */
  readonly claims: string | null
  readonly nonce: string | null
  /** A revocation has come after the grant in hand. */
  readonly isRevoked: boolean
  /** Epoch milliseconds of the sign-in: refresh tokens of single-page apps end 24 hours after it. */
  readonly grantedAt: number
}

/** What the request brought. */
export interface TokenRequest {
  readonly tenantName: string
  readonly contentType: string
  readonly authorization: string | undefined
  readonly form: URLSearchParams
  readonly forgery: Forgery | undefined
}

/**
 * Filled by the checks, in their order: each comment names the one that sets the field.
 *
 * A check may read what an earlier one has set, and nothing else.
 */
export interface TokenContext {
  readonly world: World
  readonly request: TokenRequest
  /** refuseDuplicates */
  parameters: Readonly<Record<string, string>>
  /** findTenantOfPath: null for `common` and `organizations`, until findGrant knows the user. */
  tenant: Tenant | null
  /** requireKnownGrant */
  grantType: GrantType
  /** findClient */
  client: App
  /** authenticateClient */
  clientStrength: ClientStrength
  /** findGrant */
  subject: Subject | null
  /** resolveScope */
  part: ResourceRequest
  oidc: readonly string[]
  /** requireConsent: scope values, or app role values in client_credentials. */
  granted: readonly string[]
  /** requirePolicies: contexts that are satisfied now. */
  accessTokenContexts: readonly string[]
  idTokenContexts: readonly string[]
}

/** The tenant of a request that has passed findGrant. */
export function tenantOf (context: TokenContext): Tenant {
  if (context.tenant === null) throw new Error('the tenant is known only after findGrant')
  return context.tenant
}
