/**
 * This file gets tokens: ready ones at once, others from the account's record, and only then from the provider.
 *
 * What holds, whatever happens at the same time: one renewal per account and scope set across all replicas (flight, turn,
 * lock; whoever waited reads the record again before asking); a late writer cannot overwrite a newer record and nobody
 * brings a dropped one back (compare-and-set); a token never reaches another account or scope set (names of flights).
 */
import { errors, type SignInReason } from '../errors.ts'
import type { ScopeSet } from '../config/scope-sets.ts'
import type { BackOff } from './back-off.ts'
import { parseClaimsRequest } from './claims.ts'
import { createFlights, createTurns } from './flights.ts'
import type { Log } from './metadata.ts'
import { classify, codedError, isCoded, ProviderUnavailable, type Verdict } from './outcome.ts'
import type { ReadyToken, SignInNeeded, TokenHolder, TokenOutcome } from './provider.ts'
import type { ReadyEntry, ReadyTokens } from './ready-tokens.ts'
import type { Renewal } from './renewal.ts'
import type { Rounds } from './rounds.ts'
import type { AccountRecord, AccountRecords, VersionedRecord } from './token-cache.ts'

export interface BrokerOptions {
  readonly scopeSets: readonly ScopeSet[]
  readonly ready: ReadyTokens
  readonly records: AccountRecords
  readonly renewal: Renewal
  readonly backOff: BackOff
  readonly rounds: Rounds
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
}

export interface Broker {
  /** @see IdentityProvider.acquire */
  acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome>
  /** Stores what a sign-in brought, in place of what the account had. @throws SG_STORE_UNAVAILABLE */
  adopt (accountKey: string, record: AccountRecord): Promise<void>
  /** Ends the holder's tokens, and with `dropAccount` the account's. @throws SG_STORE_UNAVAILABLE */
  forget (holder: TokenHolder, dropAccount: boolean): Promise<void>
}

/** One wish for a token that is not ready. */
interface Wish {
  readonly accountKey: string
  readonly holder: TokenHolder
  readonly set: ScopeSet
  readonly claims: string | undefined
  /** Epoch milliseconds: only a token that lives longer is of use. 0 when none is being replaced. */
  readonly outlive: number
}

const retryMs = 30_000

export function createBroker (options: BrokerOptions): Broker {
  const { scopeSets, ready, records, renewal, backOff, rounds, now, random, log } = options
  const flights = createFlights<TokenOutcome>()
  const turns = createTurns()

  function acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome> {
    const at = now()
    const entry = ready.find(holder.key, scopeSet, at)
    const challenge = parseClaimsRequest(claims)
    if (entry === undefined || challenge !== undefined) return obtain(wishOf(holder, scopeSet, challenge, 0))
    if (at >= entry.renewAt) renewBehind(wishOf(holder, scopeSet, undefined, entry.token.hardAt), entry)
    return entry.token
  }

  function wishOf (holder: TokenHolder, scopeSet: number, claims: string | undefined, outlive: number): Wish {
    const set = scopeSets[scopeSet]
    if (set === undefined) throw new TypeError(`there is no scope set ${scopeSet}`)
    return { accountKey: records.keyOf(holder.account), holder, set, claims, outlive }
  }

  /** The token in use stays in use until it ends, whatever becomes of its renewal: only a dead grant ends it sooner. */
  function renewBehind (wish: Wish, entry: ReadyEntry): void {
    entry.renewAt = Infinity
    obtain(wish).catch(error => {
      log.warn({ err: error, resource: wish.set.resource }, 'a token could not be renewed yet')
    }).finally(() => { entry.renewAt = now() + retryMs * (0.75 + 0.5 * random()) })
  }

  async function obtain (wish: Wish): Promise<TokenOutcome> {
    const { accountKey, holder, set, claims, outlive } = wish
    if (ready.isDropped(holder.key)) return signedOut(set, true)
    // Everything that shapes the outcome: whoever asks for the same joins.
    const outcome = await flights.join(JSON.stringify([accountKey, set.index, outlive, claims]),
      () => turns.take(accountKey, () => fetchToken(wish)))
    if (outcome.kind === 'sign-in-needed' || outcome.hardAt <= outlive) return outcome
    const isKept = ready.put({ key: holder.key, accountKey }, set.index, { ...outcome, source: 'ready' })
    return isKept ? outcome : signedOut(set, true)
  }

  async function fetchToken (wish: Wish): Promise<TokenOutcome> {
    const record = await records.read(wish.accountKey)
    if (record === undefined) return signedOut(wish.set, false)
    const token = await cachedToken(record, wish)
    if (token !== undefined) return token
    const wait = backOff.wait(wish.accountKey)
    if (wait > 0) throw new ProviderUnavailable(wait)
    const lease = await records.lock(wish.accountKey)
    // Somebody has held the lock for longer than a provider call can take, again and again.
    if (lease === undefined) throw new ProviderUnavailable()
    try {
      const outcome = await renewLocked(wish, record.version) ?? await renewLocked(wish, 0)
      if (outcome === undefined) throw new errors.SG_STORE_UNAVAILABLE()
      return outcome
    } finally {
      await lease.release()
    }
  }

  /** @returns undefined when the record was changed by somebody who did not hold the lock any more */
  async function renewLocked (wish: Wish, seenVersion: number): Promise<TokenOutcome | undefined> {
    const record = await records.read(wish.accountKey)
    if (record === undefined) return signedOut(wish.set, false)
    const renewedElsewhere = record.version === seenVersion ? undefined : await cachedToken(record, wish)
    if (renewedElsewhere !== undefined) return renewedElsewhere
    return askProvider(record, wish).catch(error => afterError(error, record, wish))
  }

  async function cachedToken (record: VersionedRecord, wish: Wish): Promise<ReadyToken | undefined> {
    if (wish.claims !== undefined) return undefined
    const token = await renewal.fromCache(record, { account: wish.holder.account, scopes: wish.set.scopes })
    return token !== undefined && token.hardAt > wish.outlive ? token : undefined
  }

  async function askProvider (record: VersionedRecord, wish: Wish): Promise<TokenOutcome | undefined> {
    const { accountKey, holder, set, claims } = wish
    const renewed = await renewal.fromProvider(record, { account: holder.account, scopes: set.scopes, claims })
    backOff.succeeded(accountKey)
    if (renewed === undefined) return signInNeeded(set, 'consent_required')
    if (renewed.cache === undefined) return signedOut(set, false)
    const endsAt = Math.max(record.endsAt, holder.absoluteEndsAt)
    const isWritten = await records.compareAndSet(accountKey, record.version, { sub: record.sub, endsAt, cache: renewed.cache })
    // Not written: the record is gone, which the next read tells, or it was replaced. Either way this token is dropped.
    return isWritten ? renewed.token : undefined
  }

  async function afterError (error: unknown, record: VersionedRecord, wish: Wish): Promise<SignInNeeded> {
    if (isCoded(error)) throw error
    const verdict = classify(error, 'acquire')
    const { accountKey, holder, set } = wish
    if (verdict.kind === 'dead') {
      log.warn({ err: error }, 'the grant of an account is dead')
      ready.drop(holder.key)
      // Unless a new sign-in has replaced it meanwhile: that has nothing to do with the old grant.
      if (await records.dropVersion(accountKey, record.version)) ready.dropAccount(accountKey)
      return signedOut(set, true)
    }
    if (verdict.kind === 'unavailable') backOff.failed(accountKey, verdict.retryAfterMs)
    if (verdict.kind !== 'sign-in' || isSecondRound(verdict, wish)) throw codedError(verdict, error)
    return signInNeeded(set, verdict.reason, verdict.claims ?? wish.claims)
  }

  function isSecondRound (verdict: Verdict & { kind: 'sign-in' }, { accountKey, holder, set }: Wish): boolean {
    return verdict.once && !rounds.begin(`${accountKey} ${set.index}`, holder.key)
  }

  async function adopt (accountKey: string, record: AccountRecord): Promise<void> {
    await turns.take(accountKey, async () => {
      const lease = await records.lock(accountKey)
      if (lease === undefined) throw new errors.SG_STORE_UNAVAILABLE()
      try {
        // A session of the account that began later than this one keeps its tokens until it ends.
        const { endsAt = 0 } = await records.read(accountKey) ?? {}
        await records.replace(accountKey, { ...record, endsAt: Math.max(endsAt, record.endsAt) })
      } finally {
        await lease.release()
      }
    })
    backOff.succeeded(accountKey)
  }

  async function forget (holder: TokenHolder, dropAccount: boolean): Promise<void> {
    ready.drop(holder.key)
    if (!dropAccount) return
    const accountKey = records.keyOf(holder.account)
    ready.dropAccount(accountKey)
    // Without the lock: whoever renews meanwhile finds the record gone and drops what came.
    await records.drop(accountKey)
  }

  return { acquire, adopt, forget }
}

function signInNeeded ({ scopes }: ScopeSet, reason: SignInReason, claims?: string): SignInNeeded {
  return { kind: 'sign-in-needed', reason, scopes, claims, endSession: false }
}

/** The account has no tokens any more. `endSession` when that is known to be for good, and not just a lost record. */
function signedOut ({ scopes }: ScopeSet, endSession: boolean): SignInNeeded {
  return { kind: 'sign-in-needed', reason: 'sign_in_required', scopes, endSession }
}
