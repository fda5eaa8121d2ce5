/**
 * This file gets an ID token of an account that is newer than a certain one: for users whose routes need no token, and for
 * those whose tokens live longer than their roles may be believed.
 */
import { renewTwice, signedOut, underLock, type AccountDeps, type Wish } from './account-tokens.ts'
import { ProviderUnavailable } from './outcome.ts'
import type { ClaimsOutcome, UserClaims } from './provider.ts'

/** One wish for claims. */
export interface ClaimsWish extends Pick<Wish, 'accountKey' | 'holder'> {
  /** Epoch seconds by the provider's clock: only claims that were issued later are of use. */
  readonly issuedAt: number
}

/** To be called in the account's turn, as `fetchToken`: any renewal brings an ID token, and the one before may have. */
export async function fetchClaims (wish: ClaimsWish, deps: AccountDeps): Promise<ClaimsOutcome> {
  const kept = await keptClaims(wish, deps)
  if (kept !== undefined) return kept
  const waitMs = deps.backOff.wait(wish.accountKey)
  if (waitMs > 0) throw new ProviderUnavailable(waitMs)
  return await underLock(wish.accountKey, deps, async () => await keptClaims(wish, deps) ?? await renewClaims(wish, deps))
}

async function keptClaims ({ accountKey, issuedAt }: ClaimsWish, { newestClaims }: AccountDeps): Promise<UserClaims | undefined> {
  const claims = await newestClaims.read(accountKey)
  return claims !== undefined && Number(claims['iat']) > issuedAt ? { kind: 'claims', claims } : undefined
}

async function renewClaims (wish: ClaimsWish, deps: AccountDeps): Promise<ClaimsOutcome> {
  const { accountKey, holder } = wish
  const set = { index: -1, resource: 'openid', scopes: deps.identityScopes }
  // Another session found the grant dead, or the record is lost: what this session says of its user cannot be renewed.
  if (!await deps.records.exists(accountKey)) return signedOut(set, true, 'no-record')
  const outcome = await renewTwice({ accountKey, holder, set, claims: undefined, outlive: Infinity }, 0, deps)
  if (outcome.kind === 'sign-in-needed') return outcome
  const claims = await keptClaims(wish, deps)
  // The provider dates its tokens: one that is not newer than the last one says nothing new.
  if (claims === undefined) throw new ProviderUnavailable()
  return claims
}
