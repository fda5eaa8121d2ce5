/**
 * This file decides access: a route's rule against the claims of a verified ID token. Pure, and closed by default: a claim
 * that is missing or was left out by the provider never satisfies a rule.
 */
import type { Account, Claims } from './session.ts'

/** All listed kinds must match; within a kind, any value does. */
export interface AccessRule {
  readonly roles?: readonly string[]
  readonly groups?: readonly string[]
  readonly tenants?: readonly string[]
  /** `tid/oid` pairs. */
  readonly users?: readonly string[]
  /** Claim name to the values that are let in. */
  readonly claims?: Readonly<Record<string, readonly string[]>>
}

/** Which list refused, for the log and the audit; never for the client. */
export type AccessDecision =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'refused', readonly by: string }

const allowed: AccessDecision = { kind: 'allowed' }

/**
 * @param rule - what a route allows and denies; neither means that every signed-in user may pass
 */
export function decideAccess (
  rule: { readonly allow?: AccessRule | undefined, readonly deny?: AccessRule | undefined },
  user: { readonly account: Account, readonly claims: Claims }
): AccessDecision {
  if (rule.deny !== undefined && isDenied(rule.deny, user)) return { kind: 'refused', by: 'deny' }
  if (rule.allow === undefined) return allowed
  const missing = kindsOf(rule.allow).find(([values, held]) => !values.some(value => held(user).includes(value)))
  return missing === undefined ? allowed : { kind: 'refused', by: `allow.${missing[2]}` }
}

type User = Parameters<typeof decideAccess>[1]
type Kind = readonly [values: readonly string[], held: (user: User) => readonly string[], name: string]

/** With groups left out of the token (overage), nobody can say that a user is not in a denied one: that denies. */
function isDenied (rule: AccessRule, user: User): boolean {
  const kinds = kindsOf(rule)
  return kinds.length > 0 && kinds.every(([values, held, name]) =>
    values.some(value => held(user).includes(value)) || (name === 'groups' && hasGroupOverage(user.claims)))
}

function kindsOf (rule: AccessRule): Kind[] {
  const kinds: Kind[] = []
  if (rule.roles) kinds.push([rule.roles, user => strings(user.claims.roles), 'roles'])
  if (rule.groups) kinds.push([rule.groups, user => strings(user.claims.groups), 'groups'])
  if (rule.tenants) kinds.push([rule.tenants, user => [user.account.tid], 'tenants'])
  if (rule.users) kinds.push([rule.users, user => [`${user.account.tid}/${user.account.oid}`], 'users'])
  for (const [name, values] of Object.entries(rule.claims ?? {})) {
    kinds.push([values, user => Object.hasOwn(user.claims, name) ? strings(user.claims[name]) : [], `claims.${name}`])
  }
  return kinds
}

/** A claim as the list of its values; anything but strings, numbers and booleans is no value. */
function strings (claim: unknown): readonly string[] {
  const values = Array.isArray(claim) ? claim : [claim]
  return values.filter(value => ['string', 'number', 'boolean'].includes(typeof value)).map(String)
}

/** Entra leaves `groups` out above 200 of them and names a place to ask instead (ID token reference, "Groups overage claim"). */
function hasGroupOverage (claims: Claims): boolean {
  const names = claims._claim_names
  return claims.hasgroups !== undefined || (typeof names === 'object' && names !== null && 'groups' in names)
}
