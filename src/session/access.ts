/**
 * This file decides access: a route's rule against the claims of a verified ID token. Pure, and closed by default: a claim
 * that is missing or was left out by the provider never satisfies a rule.
 */
import { isGuid } from '../config/formats.ts'
import type { Claims, User } from './session.ts'

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

/** Which list refused is for the log and the audit; never for the client. */
export type AccessDecision =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'refused', readonly by: string }
  /** The token had no room for the user's groups, and the decision hangs on them. */
  | { readonly kind: 'groups-needed' }

/** Whom a rule is about. */
export interface Subject {
  /** Present for an API client: each kind of token has optional claims of its own, so its may lack what an ID token says. */
  readonly kind?: 'caller' | undefined
  readonly account: User
  readonly claims: Claims
  /** Object ids of the user's groups, as they were looked up because the token had no room for them. */
  readonly groups?: readonly string[] | undefined
}

/** Whether a list fits; undefined while nobody can say. */
type Fit = boolean | undefined
type Fits = (user: Subject) => Fit

/** How lists are read whose claim may be missing although the user has it. */
interface Reading {
  readonly groups: (values: readonly string[]) => Fits
  readonly claim: (name: string, values: readonly string[]) => Fits
}

interface Kind {
  readonly name: string
  readonly fits: Fits
}

const allowed: AccessDecision = { kind: 'allowed' }
const groupsNeeded: AccessDecision = { kind: 'groups-needed' }

/**
 * @param rule - what a route allows and denies; neither means that every signed-in user may pass
 */
export function decideAccess (
  rule: { readonly allow?: AccessRule | undefined, readonly deny?: AccessRule | undefined }, user: Subject
): AccessDecision {
  const isDenied = rule.deny === undefined ? false : fitsAll(kindsOf(rule.deny, denying), user)
  if (isDenied === true) return { kind: 'refused', by: 'deny' }
  const kinds = rule.allow === undefined ? [] : kindsOf(rule.allow, allowing)
  const missing = kinds.find(({ fits }) => fits(user) === false)
  if (missing !== undefined) return { kind: 'refused', by: `allow.${missing.name}` }
  return isDenied === undefined || kinds.some(({ fits }) => fits(user) === undefined) ? groupsNeeded : allowed
}

function fitsAll (kinds: readonly Kind[], user: Subject): Fit {
  const fits = kinds.map(kind => kind.fits(user))
  if (fits.length === 0 || fits.includes(false)) return false
  return fits.includes(undefined) ? undefined : true
}

function kindsOf (rule: AccessRule, reading: Reading): Kind[] {
  const kinds: Kind[] = []
  const { roles, groups, tenants, users, claims = {} } = rule
  if (roles) kinds.push({ name: 'roles', fits: user => hasAny(roles, strings(user.claims.roles)) })
  if (groups) kinds.push({ name: 'groups', fits: reading.groups(groups) })
  if (tenants) kinds.push({ name: 'tenants', fits: user => tenants.includes(user.account.tid) })
  if (users) kinds.push({ name: 'users', fits: user => users.includes(`${user.account.tid}/${user.account.oid}`) })
  for (const [name, values] of Object.entries(claims)) {
    kinds.push({ name: `claims.${name}`, fits: reading.claim(name, values) })
  }
  return kinds
}

const hasAny = (values: readonly string[], held: readonly string[]): boolean => values.some(value => held.includes(value))

/** Groups that the token had no room for are known by their object ids only: other names of theirs stay unknown. */
function allowedGroups (values: readonly string[]): Fits {
  return user => {
    if (hasAny(values, user.groups ?? strings(user.claims.groups))) return true
    return hasGroupOverage(user.claims) && user.groups === undefined && values.some(isGuid) ? undefined : false
  }
}

/** Nobody can say that a user is not in a group of an unknown name: that denies. */
function deniedGroups (values: readonly string[]): Fits {
  return user => {
    if (hasAny(values, user.groups ?? strings(user.claims.groups))) return true
    if (!mayHaveMoreGroups(user)) return false
    if (!values.every(isGuid)) return true
    return user.groups === undefined ? undefined : false
  }
}

function allowedClaim (name: string, values: readonly string[]): Fits {
  return user => Object.hasOwn(user.claims, name) && hasAny(values, strings(user.claims[name]))
}

/** Nobody can say that a claim has none of the values when an API client's token does not have it: that denies. */
function deniedClaim (name: string, values: readonly string[]): Fits {
  return user => Object.hasOwn(user.claims, name) ? hasAny(values, strings(user.claims[name])) : user.kind === 'caller'
}

/** Roles are never left out: Entra writes those of this registration into both kinds of token without being asked. */
const allowing: Reading = { groups: allowedGroups, claim: allowedClaim }
const denying: Reading = { groups: deniedGroups, claim: deniedClaim }

/** A claim as the list of its values; anything but strings, numbers and booleans is no value. */
function strings (claim: unknown): readonly string[] {
  const values = Array.isArray(claim) ? claim : [claim]
  return values.filter(value => ['string', 'number', 'boolean'].includes(typeof value)).map(String)
}

function mayHaveMoreGroups ({ kind, claims }: Subject): boolean {
  return hasGroupOverage(claims) || (kind === 'caller' && claims.groups === undefined)
}

/** Entra leaves `groups` out above 200 of them and names a place to ask instead (ID token reference, "Groups overage claim"). */
function hasGroupOverage (claims: Claims): boolean {
  const names = claims._claim_names
  return claims.hasgroups !== undefined || (typeof names === 'object' && names !== null && 'groups' in names)
}
