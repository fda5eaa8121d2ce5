/**
 * This file gets a token out of an account's record, or renews the record under the account's lock.
 *
 * The lock spares the provider; what keeps records right is the compare-and-set. Whoever loses it reads the record again:
 * it finds the token of the one who was faster, or that the account has signed out.
 */
import type { ScopeSet } from '../config/scope-sets.ts'
import { errors, type SignInReason } from '../errors.ts'
import type { BackOff } from './back-off.ts'
import type { Log } from './log.ts'
import { classify, codedError, isCoded, ProviderUnavailable, type Verdict } from './outcome.ts'
import type { ReadyToken, SignInNeeded, TokenHolder, TokenOutcome } from './provider.ts'
import type { ReadyTokens } from './ready-tokens.ts'
import type { Renewal } from './renewal.ts'
import type { Rounds } from './rounds.ts'
import type { AccountRecord, AccountRecords, VersionedRecord } from './token-cache.ts'

/** One wish for a token that is not ready. */
export interface Wish {
  readonly accountKey: string
  readonly holder: TokenHolder
  readonly set: ScopeSet
  readonly claims: string | undefined
  /** Epoch milliseconds: only a token that lives longer is of use. 0 when none is being replaced. */
  readonly outlive: number
}

export interface AccountDeps {
  readonly records: AccountRecords
  readonly renewal: Renewal
  readonly ready: ReadyTokens
  readonly backOff: BackOff
  readonly rounds: Rounds
  readonly log: Log
}

/** To be called in the account's turn: the refresh token is one for all scope sets. */
export async function fetchToken (wish: Wish, deps: AccountDeps): Promise<TokenOutcome> {
  const record = await deps.records.read(wish.accountKey)
  if (record === undefined) return signedOut(wish.set, false)
  const token = await cachedToken(record, wish, deps)
  if (token !== undefined) return token
  const waitMs = deps.backOff.wait(wish.accountKey)
  if (waitMs > 0) throw new ProviderUnavailable(waitMs)
  return renewUnderLock(wish, record.version, deps)
}

/** Stores what a sign-in brought, in place of what the account had. */
export async function adoptRecord (accountKey: string, record: AccountRecord, { records, backOff }: AccountDeps): Promise<void> {
  const lease = await records.lock(accountKey)
  if (lease === undefined) throw new errors.SG_STORE_UNAVAILABLE()
  try {
    // A session of the account that ends later than this one keeps its tokens until then.
    const { endsAt = 0 } = await records.read(accountKey) ?? {}
    await records.replace(accountKey, { ...record, endsAt: Math.max(endsAt, record.endsAt) })
  } finally {
    await lease.release()
  }
  backOff.succeeded(accountKey)
}

/** The account has no tokens any more. `endSession` when that is known to be for good, and not just a lost record. */
export function signedOut ({ scopes }: ScopeSet, endSession: boolean): SignInNeeded {
  return { kind: 'sign-in-needed', reason: 'sign_in_required', scopes, endSession }
}

async function renewUnderLock (wish: Wish, seenVersion: number, deps: AccountDeps): Promise<TokenOutcome> {
  const lease = await deps.records.lock(wish.accountKey)
  // Others have held the lock for longer than a provider call takes, one after the other.
  if (lease === undefined) throw new ProviderUnavailable()
  try {
    const outcome = await renewOnce(wish, seenVersion, deps) ?? await renewOnce(wish, 0, deps)
    if (outcome === undefined) throw new errors.SG_STORE_UNAVAILABLE()
    return outcome
  } finally {
    await lease.release()
  }
}

/**
 * @param seenVersion - of the record that held no token; another one may hold one
 * @returns undefined when the record was changed meanwhile, by somebody whose lease had ended
 */
async function renewOnce (wish: Wish, seenVersion: number, deps: AccountDeps): Promise<TokenOutcome | undefined> {
  const record = await deps.records.read(wish.accountKey)
  if (record === undefined) return signedOut(wish.set, false)
  const renewedElsewhere = record.version === seenVersion ? undefined : await cachedToken(record, wish, deps)
  if (renewedElsewhere !== undefined) return renewedElsewhere
  return askProvider(record, wish, deps).catch(error => afterError(error, { record, wish, deps }))
}

async function cachedToken (record: VersionedRecord, wish: Wish, { renewal }: AccountDeps): Promise<ReadyToken | undefined> {
  // A challenged token is what the cache holds.
  if (wish.claims !== undefined) return undefined
  const token = await renewal.fromCache(record, { account: wish.holder.account, scopes: wish.set.scopes })
  return token !== undefined && token.hardAt > wish.outlive ? token : undefined
}

async function askProvider (record: VersionedRecord, wish: Wish, deps: AccountDeps): Promise<TokenOutcome | undefined> {
  const { accountKey, holder, set, claims } = wish
  const renewed = await deps.renewal.fromProvider(record, { account: holder.account, scopes: set.scopes, claims })
  deps.backOff.succeeded(accountKey)
  if (renewed === undefined) return signInNeeded(set, 'consent_required')
  if (renewed.cache === undefined) return signedOut(set, false)
  const next = { sub: record.sub, endsAt: Math.max(record.endsAt, holder.absoluteEndsAt), cache: renewed.cache }
  const isWritten = await deps.records.compareAndSet(accountKey, record.version, next)
  // A token that could not be written is dropped: its user may have signed out while it was on its way.
  return isWritten ? renewed.token : undefined
}

interface Failed {
  readonly record: VersionedRecord
  readonly wish: Wish
  readonly deps: AccountDeps
}

async function afterError (error: unknown, { record, wish, deps }: Failed): Promise<SignInNeeded> {
  if (isCoded(error)) throw error
  const { accountKey, holder, set } = wish
  const verdict = classify(error, 'acquire')
  if (verdict.kind === 'dead') {
    deps.log.warn({ err: error }, 'the grant of an account is dead')
    deps.ready.drop(holder.key)
    // Unless a new sign-in has replaced it meanwhile: that has nothing to do with the old grant.
    if (await deps.records.dropVersion(accountKey, record.version)) deps.ready.dropAccount(accountKey)
    return signedOut(set, true)
  }
  if (verdict.kind === 'unavailable') deps.backOff.failed(accountKey, verdict.retryAfterMs)
  if (verdict.kind !== 'sign-in' || !isWorthASignIn(verdict, wish, deps)) throw codedError(verdict, error)
  return signInNeeded(set, verdict.reason, verdict.claims ?? wish.claims)
}

function isWorthASignIn ({ once }: Verdict & { kind: 'sign-in' }, { accountKey, holder, set }: Wish, { rounds }: AccountDeps): boolean {
  return !once || rounds.begin(`${accountKey} ${set.index}`, holder.key)
}

function signInNeeded ({ scopes }: ScopeSet, reason: SignInReason, claims?: string): SignInNeeded {
  return { kind: 'sign-in-needed', reason, scopes, claims, endSession: false }
}
