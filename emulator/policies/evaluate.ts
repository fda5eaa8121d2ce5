/** This file decides Conditional Access: which policy stands between this sign-in and what it asks for. */
import type { App, Policy, Tenant, User } from '../directory/directory.ts'
import type { Aadsts } from '../errors/catalogue.ts'
import type { Authentication } from '../state.ts'

/** Whose sign-in is looked at, and when (epoch milliseconds). */
export interface SignInState {
  readonly tenant: Tenant
  readonly user: User
  readonly authentication: Pick<Authentication, 'amr' | 'authAt' | 'mfaAt'>
  readonly now: number
}

/** What the sign-in is wanted for. */
export interface PolicyQuestion extends SignInState {
  /** The client, and every resource asked for. */
  readonly apps: readonly App[]
  readonly contexts: readonly string[]
  readonly policyIds: readonly string[]
}

/** Why a policy is not satisfied. */
export interface Unmet {
  readonly policy: Policy
  readonly code: Aadsts
}

/** The first unmet policy in the tenant's order, with blocks before everything else. */
export function findUnmet (question: PolicyQuestion): Unmet | undefined {
  const unmet = question.tenant.policies
    .filter((policy) => appliesToUser(policy, question.user) && isTargeted(policy, question))
    .map((policy) => ({ policy, code: shortfall(policy, question) }))
    .filter((item): item is Unmet => item.code !== undefined)
  return unmet.find(({ code }) => code === 53003) ?? unmet[0]
}

function appliesToUser (policy: Policy, user: User): boolean {
  return policy.enabled && (policy.users === null || policy.users.includes(user.oid))
}

function isTargeted (policy: Policy, { apps, contexts, policyIds }: PolicyQuestion): boolean {
  const byApp = policy.apps?.some((id) => id === 'all' || apps.some(({ clientId }) => clientId === id)) ?? false
  const byContext = policy.authContext !== null && contexts.includes(policy.authContext)
  return byApp || byContext || policyIds.includes(policy.id)
}

/** @returns the error that says what is missing, or undefined when the policy is satisfied */
function shortfall (policy: Policy, { user, authentication, now }: SignInState): Aadsts | undefined {
  const hasMfa = authentication.amr.includes('mfa')
  const isOlder = (at: number) => policy.signInFrequency !== null && now - at > policy.signInFrequency * 1000
  switch (policy.grant) {
    case 'block': return 53003
    case 'compliantDevice': if (!user.compliantDevice) return 53000; break
    case 'passwordChange': if (user.passwordChangedAt === 0) return 50055; break
    case 'mfa':
      if (!hasMfa) return user.mfa === null ? 50079 : 50076
      if (isOlder(authentication.mfaAt)) return 50078
      return undefined
  }
  return isOlder(authentication.authAt) ? 70043 : undefined
}

/**
 * Contexts this sign-in satisfies, for the `acrs` claim.
 *
 * A requested context that no policy is bound to is granted: `acrs` says "every policy for it is met", not "MFA was done".
 */
export function satisfiedContexts (state: SignInState, requested: readonly string[], isOptedIn: boolean): string[] {
  const bound = state.tenant.policies.filter((policy) => policy.authContext !== null && appliesToUser(policy, state.user))
  const unmet = new Set(bound.filter((policy) => shortfall(policy, state) !== undefined).map(({ authContext }) => authContext))
  const candidates = isOptedIn ? [...requested, ...bound.map(({ authContext }) => authContext!)] : requested
  return [...new Set(candidates)].filter((context) => !unmet.has(context))
}

/** The claims request that an error hands back, so that the client can ask for exactly what is missing. */
export function claimsFor ({ policy }: Unmet): Record<string, unknown> {
  const capolids = { essential: true, values: [policy.id] }
  if (policy.authContext === null) return { access_token: { capolids } }
  return { access_token: { acrs: { essential: true, value: policy.authContext }, capolids } }
}
