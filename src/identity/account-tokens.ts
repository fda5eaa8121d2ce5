/**
 * This file gets a token out of an account's record, or renews the record under the account's lock.
 *
 * The lock spares the provider; what keeps records right is the compare-and-set. Whoever loses it reads the record again:
 * it finds the token of the one who was faster, or that the account has signed out.
 */
import type { ScopeSet } from '../config/scope-sets.ts'
import { errors } from '../errors.ts'
import type { BackOff } from './back-off.ts'
import type { Log } from './log.ts'
import { classify, codedError, isCoded, providerErrorOf, ProviderUnavailable, type Verdict } from './outcome.ts'
import type { NewestClaims } from './newest-claims.ts'
import type { SessionHolder, TokenHolder } from './holder.ts'
import type { IdClaims, ReadyToken, SignInNeeded, TokenOutcome } from './provider.ts'
import type { ReadyTokens } from './ready-tokens.ts'
import type { Renewal } from './renewal.ts'
import type { Rounds } from './rounds.ts'
import type { AccountRecord, AccountRecords, VersionedRecord } from './token-cache.ts'

/** One wish for a token that is not ready. */
export interface Wish<Holder extends TokenHolder = SessionHolder> {
  /** What the holder's tokens are filed under: the account's record, or the holder itself where no account is behind it. */
  readonly accountKey: string
  readonly holder: Holder
  readonly set: ScopeSet
  readonly claims: string | undefined
  /**
   * Epoch milliseconds: only a token that lives longer is of use. 0 when none is being replaced, Infinity when the provider
   * has to be asked in any case.
   */
  readonly outlive: number
  /** The Authorization value that an API rejected: the same again is of no use. */
  readonly rejected?: string | undefined
}

export interface AccountDeps {
  readonly records: AccountRecords
  readonly newestClaims: NewestClaims
  /** What a renewal asks for that is to bring an ID token only, beside the scopes of OpenID Connect, which MSAL adds. */
  readonly identityScopes: readonly string[]
  readonly renewal: Renewal
  readonly ready: ReadyTokens
  readonly backOff: BackOff
  readonly rounds: Rounds
  readonly log: Log
}

/** To be called in the account's turn: the refresh token is one for all scope sets. */
export async function fetchToken (wish: Wish, deps: AccountDeps): Promise<TokenOutcome> {
  const record = await deps.records.read(wish.accountKey)
  if (record === undefined) return signedOut(wish.set, false, 'no-record')
  const token = await cachedToken(record, wish, deps)
  if (token !== undefined) return token
  const waitMs = deps.backOff.wait(wish.accountKey)
  if (waitMs > 0) throw new ProviderUnavailable(waitMs)
  return renewUnderLock(wish, record.version, deps)
}

/** What a sign-in or a renewal brought. */
export interface Adopted {
  readonly record: AccountRecord
  readonly claims: IdClaims
}

/** Stores what a sign-in brought, in place of what the account had. */
export async function adoptRecord (
  accountKey: string, { record, claims }: Adopted, { records, newestClaims, backOff }: AccountDeps
): Promise<void> {
  const lease = await records.lock(accountKey)
  if (lease === undefined) throw new errors.SG_STORE_UNAVAILABLE()
  try {
    // A session of the account that ends later than this one keeps its tokens until then.
    const { endsAt: before = 0 } = await records.read(accountKey) ?? {}
    const endsAt = Math.max(before, record.endsAt)
    await records.replace(accountKey, { ...record, endsAt })
    await newestClaims.keep(accountKey, claims, endsAt)
  } finally {
    await lease.release()
  }
  backOff.succeeded(accountKey)
}

/** The account has no tokens any more. `endSession` when that is known to be for good, and not just a lost record. */
export function signedOut ({ scopes }: ScopeSet, endSession: boolean, cause?: string): SignInNeeded {
  return { kind: 'sign-in-needed', reason: 'sign_in_required', scopes, cause, endSession }
}

async function renewUnderLock (wish: Wish, seenVersion: number, deps: AccountDeps): Promise<TokenOutcome> {
  return await underLock(wish.accountKey, deps, async () => await renewTwice(wish, seenVersion, deps))
}

/** @throws SG_PROVIDER_UNAVAILABLE others have held the lock for longer than a provider call takes, one after the other */
export async function underLock<T> (accountKey: string, { records }: AccountDeps, work: () => Promise<T>): Promise<T> {
  const lease = await records.lock(accountKey)
  if (lease === undefined) throw new ProviderUnavailable()
  try {
    return await work()
  } finally {
    await lease.release()
  }
}

/** To be called under the account's lock. @param seenVersion - as of {@link renewOnce} */
export async function renewTwice (wish: Wish, seenVersion: number, deps: AccountDeps): Promise<TokenOutcome> {
  const outcome = await renewOnce(wish, seenVersion, deps) ?? await renewOnce(wish, 0, deps)
  if (outcome === undefined) throw new errors.SG_STORE_UNAVAILABLE()
  return outcome
}

/**
 * @param seenVersion - of the record that held no token; another one may hold one
 * @returns undefined when the record was changed meanwhile, by somebody whose lease had ended
 */
async function renewOnce (wish: Wish, seenVersion: number, deps: AccountDeps): Promise<TokenOutcome | undefined> {
  const record = await deps.records.read(wish.accountKey)
  if (record === undefined) return signedOut(wish.set, false, 'no-record')
  const renewedElsewhere = record.version === seenVersion ? undefined : await cachedToken(record, wish, deps)
  if (renewedElsewhere !== undefined) return renewedElsewhere
  const waitMs = await deps.backOff.sharedWait(wish.accountKey)
  if (waitMs > 0) throw new ProviderUnavailable(waitMs)
  return askProvider(record, wish, deps).catch(error => afterError(error, { record, wish, deps }))
}

async function cachedToken (record: VersionedRecord, wish: Wish, { renewal }: AccountDeps): Promise<ReadyToken | undefined> {
  // A challenged token is what the cache holds; and no cached one outlives all.
  if (wish.claims !== undefined || wish.outlive === Infinity) return undefined
  const token = await renewal.fromCache(record, { account: wish.holder.account, scopes: wish.set.scopes })
  return token !== undefined && token.hardAt > wish.outlive && token.bearer !== wish.rejected ? token : undefined
}

async function askProvider (record: VersionedRecord, wish: Wish, deps: AccountDeps): Promise<TokenOutcome | undefined> {
  const { accountKey, holder, set, claims } = wish
  const renewed = await deps.renewal.fromProvider(record, { account: holder.account, scopes: set.scopes, claims })
  deps.backOff.succeeded(accountKey)
  if (renewed === undefined) return signInNeeded(set, { reason: 'consent_required', cause: 'fewer-scopes' })
  if (renewed.cache === undefined) return signedOut(set, false, 'no-account')
  const next = { sub: record.sub, endsAt: Math.max(record.endsAt, holder.absoluteEndsAt), cache: renewed.cache }
  const isWritten = await deps.records.compareAndSet(accountKey, record.version, next)
  // A token that could not be written is dropped: its user may have signed out while it was on its way.
  if (!isWritten) return undefined
  await keepClaims(accountKey, { record: next, claims: renewed.claims }, deps)
  return renewed.token
}

/** Also where the store had lost them: without any, all sessions would ask for newer ones for ever. */
async function keepClaims (
  accountKey: string, { record, claims }: Adopted, { records, newestClaims }: AccountDeps
): Promise<void> {
  if (await newestClaims.replace(accountKey, claims, record.endsAt)) return
  await newestClaims.keep(accountKey, claims, record.endsAt)
  // They were gone because the account has signed out since its record was written: it leaves nothing behind.
  if (!await records.exists(accountKey)) await newestClaims.drop(accountKey)
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
  const cause = providerErrorOf(error)
  if (verdict.kind === 'dead') {
    deps.log.info({ event: 'grant-dead', cause }, 'the grant of an account is dead')
    deps.ready.drop(holder.key)
    // Unless a new sign-in has replaced it meanwhile: that has nothing to do with the old grant. The newest claims stay:
    // without them the account's other sessions would go by those of their sign-in, and old roles would be back.
    if (await deps.records.dropVersion(accountKey, record.version)) deps.ready.dropAccount(accountKey)
    return signedOut(set, true, cause)
  }
  if (verdict.kind === 'unavailable') throw codedError(await pausing(accountKey, verdict, deps), error)
  if (verdict.kind !== 'sign-in' || !isWorthASignIn(verdict, wish, deps)) throw codedError(verdict, error)
  return signInNeeded(set, { reason: verdict.reason, claims: verdict.claims ?? wish.claims, cause })
}

/** Leaves the provider alone about the account, all replicas if it asked for that, and tells for how long. */
async function pausing (accountKey: string, verdict: Verdict & { kind: 'unavailable' }, { backOff }: AccountDeps): Promise<Verdict> {
  await backOff.failed(accountKey, verdict)
  return { ...verdict, retryAfterMs: backOff.wait(accountKey) }
}

function isWorthASignIn ({ once }: Verdict & { kind: 'sign-in' }, { accountKey, holder, set }: Wish, { rounds }: AccountDeps): boolean {
  return !once || rounds.begin(`${accountKey} ${set.index}`, holder.key)
}

function signInNeeded ({ scopes }: ScopeSet, why: Pick<SignInNeeded, 'reason' | 'claims' | 'cause'>): SignInNeeded {
  return { kind: 'sign-in-needed', ...why, scopes, endSession: false }
}
