/** This file says what it means when the provider's page sends somebody back without a code, and who can mend it. */
import { classifyFailure, codedError, ProviderRefusal } from './outcome.ts'
import type { FailedSignIn, RefusedSignIn, SignInFailure } from './provider.ts'
import { isShared } from './tenant.ts'

export interface Registration {
  readonly clientId: string
  /** With a trailing slash. */
  readonly instance: string
  /** GUID, domain or alias. */
  readonly tenantId: string
  readonly redirectUri: string
  /** Of Entra, where administrators can consent; not of a host whose endpoints are configured. */
  readonly hasTenants: boolean
}

export function refusalOf (failure: SignInFailure, asked: FailedSignIn, registration: Registration): RefusedSignIn {
  const verdict = classifyFailure(failure)
  // Who was to satisfy a policy and leaves, has left that.
  const mayBeWall = verdict.kind === 'cancelled' && asked.claims === undefined
  // Who is signed in and leaves, leaves the permissions that were asked for; others, as far as anybody knows, the sign-in.
  const isConsent = verdict.kind === 'consent' || (mayBeWall && asked.tid !== undefined && asked.scopes.length > 0)
  return {
    error: codedError(isConsent ? { kind: 'consent' } : verdict, new ProviderRefusal(failure)),
    adminConsentUrl: registration.hasTenants && (isConsent || mayBeWall) ? adminConsentUrl(asked, registration) : undefined
  }
}

/** @see https://learn.microsoft.com/entra/identity-platform/v2-admin-consent */
function adminConsentUrl ({ scopes, tid, adminState }: FailedSignIn, registration: Registration): string {
  const { clientId, instance, tenantId, redirectUri } = registration
  // `common` is no tenant that could consent; `organizations` is the administrator's own.
  const tenant = tid ?? (isShared(tenantId) ? 'organizations' : tenantId)
  const url = new URL(`${encodeURIComponent(tenant)}/v2.0/adminconsent`, instance)
  url.search = new URLSearchParams({
    client_id: clientId,
    scope: ['openid', 'profile', 'offline_access', ...scopes].join(' '),
    redirect_uri: redirectUri,
    state: adminState
  }).toString()
  return url.href
}
