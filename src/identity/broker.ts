/**
 * This file gets tokens: ready ones at once, others from the account's record, and only then from the provider.
 *
 * What holds, whatever happens at the same time: one renewal per account and scope set across all replicas (flight, turn,
 * lock; whoever waited reads the record again before asking); a late writer cannot overwrite a newer record and nobody
 * brings a dropped one back (compare-and-set); a token never reaches another account or scope set (names of flights).
 */
import type { ScopeSet } from '../config/scope-sets.ts'
import { fetchClaims } from './account-claims.ts'
import { type Adopted, adoptRecord, fetchToken, signedOut, type AccountDeps, type Wish } from './account-tokens.ts'
import type { AppTokens } from './app-tokens.ts'
import { parseClaimsRequest } from './claims.ts'
import { createFlights, createTurns } from './flights.ts'
import type { OnBehalfOf } from './on-behalf-of.ts'
import type { FormerHolder, SessionHolder, TokenHolder } from './holder.ts'
import type { Account, ClaimsOutcome, ClaimsReading, TokenOutcome } from './provider.ts'
import type { ReadyEntry } from './ready-tokens.ts'

export interface BrokerOptions extends AccountDeps {
  readonly scopeSets: readonly ScopeSet[]
  readonly appTokens: AppTokens
  readonly onBehalfOf: OnBehalfOf
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

/** What a record is named after. */
type AccountName = Pick<Account, 'tid' | 'oid' | 'keyId'>

export interface Broker {
  /** @see IdentityProvider.acquire */
  acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome>
  /** @see IdentityProvider.newestClaims */
  newestClaims (account: AccountName, seen: number): Promise<ClaimsReading>
  /** @see IdentityProvider.renewClaims */
  renewClaims (holder: SessionHolder, issuedAt: number): Promise<ClaimsOutcome>
  /** @see IdentityProvider.rejected */
  rejected (holder: TokenHolder, scopeSet: number, bearer: string): void
  /** Stores what a sign-in brought, in place of what the account had. @throws SG_STORE_UNAVAILABLE */
  adopt (accountKey: string, brought: Adopted): Promise<void>
  /** Ends the holder's tokens, and with `dropAccount` the account's. @throws SG_STORE_UNAVAILABLE */
  forget (holder: FormerHolder, dropAccount: boolean): Promise<void>
  /** Ends the account's tokens. @throws SG_STORE_UNAVAILABLE */
  forgetAccount (account: AccountName): Promise<void>
}

const retryMs = 30_000
/** A token that was got so lately is not refused for its age, and another one would not be taken either. */
const freshMs = 300_000

export function createBroker (options: BrokerOptions): Broker {
  const { scopeSets, appTokens, onBehalfOf, ready, records, newestClaims, now, random, log } = options
  const flights = createFlights<TokenOutcome>()
  const claimFlights = createFlights<ClaimsOutcome>()
  const turns = createTurns()

  function acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome> {
    const at = now()
    const entry = ready.find(holder.key, scopeSet, at)
    const challenge = parseClaimsRequest(claims)
    if (entry !== undefined && challenge === undefined) {
      if (at >= entry.renewAt) renewBehind(entry, { ...wishOf(holder, scopeSet), claims: undefined, outlive: entry.token.hardAt })
      return entry.token
    }
    return obtain({ ...wishOf(holder, scopeSet), claims: challenge, outlive: 0 })
  }

  /** The token in use stays in use until it ends, whatever becomes of its renewal: only a dead grant ends it sooner. */
  function renewBehind (entry: ReadyEntry, wish: Wish<TokenHolder>): void {
    entry.renewAt = Infinity
    obtain(wish).catch(error => {
      log.warn({ err: error, resource: wish.set.resource }, 'a token could not be renewed yet')
    }).finally(() => { entry.renewAt = now() + retryMs * (0.75 + 0.5 * random()) })
  }

  function rejected (holder: TokenHolder, scopeSet: number, bearer: string): void {
    const at = now()
    const entry = ready.find(holder.key, scopeSet, at)
    if (entry?.token.bearer !== bearer || at - entry.since < freshMs) return
    const isTried = entry.renewAt !== entry.token.softAt && at < entry.renewAt
    if (!isTried) renewBehind(entry, { ...wishOf(holder, scopeSet), claims: undefined, outlive: 0, rejected: bearer })
  }

  function wishOf (holder: TokenHolder, scopeSet: number): Pick<Wish<TokenHolder>, 'accountKey' | 'holder' | 'set'> {
    const set = scopeSets[scopeSet]
    if (set === undefined) throw new TypeError(`there is no scope set ${scopeSet}`)
    return { accountKey: holder.kind === 'session' ? records.keyOf(holder.account) : holder.key, holder, set }
  }

  /** Only sessions of one account share a refresh token, and have to wait for each other. */
  function fetchFor ({ holder, ...wish }: Wish<TokenHolder>): Promise<TokenOutcome> {
    switch (holder.kind) {
      case 'session': return turns.take(wish.accountKey, () => fetchToken({ ...wish, holder }, options))
      case 'caller': return onBehalfOf.fetch({ ...wish, holder })
      case 'app': return appTokens.fetch(wish)
    }
  }

  async function obtain (wish: Wish<TokenHolder>): Promise<TokenOutcome> {
    const { accountKey, holder, set, claims, outlive, rejected } = wish
    if (ready.isDropped(holder.key)) return signedOut(set, true)
    // Everything that shapes the outcome: whoever asks for the same joins.
    const name = JSON.stringify([accountKey, set.index, outlive, claims, rejected])
    const outcome = await flights.join(name, () => fetchFor(wish))
    if (outcome.kind === 'sign-in-needed' || outcome.hardAt <= outlive) return outcome
    const isKept = ready.put({ key: holder.key, accountKey }, set.index, { ...outcome, source: 'ready' })
    return isKept ? outcome : signedOut(set, true)
  }

  async function forgetAccount (account: AccountName): Promise<void> {
    const accountKey = records.keyOf(account)
    ready.dropAccount(accountKey)
    // Without the lock: whoever renews meanwhile finds the record gone and drops what came. Whoever signs in meanwhile may
    // lose what is known of the user, which the next renewal brings again.
    await records.drop(accountKey)
    await newestClaims.drop(accountKey)
  }

  return {
    acquire,
    newestClaims: (account, seen) => newestClaims.readAgain(records.keyOf(account), seen),
    async renewClaims (holder, issuedAt) {
      const accountKey = records.keyOf(holder.account)
      const name = JSON.stringify([accountKey, issuedAt])
      const wish = { accountKey, holder, issuedAt }
      return await claimFlights.join(name, () => turns.take(accountKey, () => fetchClaims(wish, options)))
    },
    adopt: (accountKey, brought) => turns.take(accountKey, () => adoptRecord(accountKey, brought, options)),
    rejected,
    async forget (holder, dropAccount) {
      ready.drop(holder.key)
      if (dropAccount) await forgetAccount(holder.account)
    },
    forgetAccount
  }
}
