/**
 * This file gets tokens: ready ones at once, others from the account's record, and only then from the provider.
 *
 * What holds, whatever happens at the same time: one renewal per account and scope set across all replicas (flight, turn,
 * lock; whoever waited reads the record again before asking); a late writer cannot overwrite a newer record and nobody
 * brings a dropped one back (compare-and-set); a token never reaches another account or scope set (names of flights).
 */
import type { ScopeSet } from '../config/scope-sets.ts'
import { adoptRecord, fetchToken, signedOut, type AccountDeps, type Wish } from './account-tokens.ts'
import { parseClaimsRequest } from './claims.ts'
import { createFlights, createTurns } from './flights.ts'
import type { TokenHolder, TokenOutcome } from './provider.ts'
import type { ReadyEntry } from './ready-tokens.ts'
import type { AccountRecord } from './token-cache.ts'

export interface BrokerOptions extends AccountDeps {
  readonly scopeSets: readonly ScopeSet[]
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

export interface Broker {
  /** @see IdentityProvider.acquire */
  acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome>
  /** Stores what a sign-in brought, in place of what the account had. @throws SG_STORE_UNAVAILABLE */
  adopt (accountKey: string, record: AccountRecord): Promise<void>
  /** Ends the holder's tokens, and with `dropAccount` the account's. @throws SG_STORE_UNAVAILABLE */
  forget (holder: TokenHolder, dropAccount: boolean): Promise<void>
}

const retryMs = 30_000

export function createBroker (options: BrokerOptions): Broker {
  const { scopeSets, ready, records, now, random, log } = options
  const flights = createFlights<TokenOutcome>()
  const turns = createTurns()

  function acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome> {
    const at = now()
    const entry = ready.find(holder.key, scopeSet, at)
    const challenge = parseClaimsRequest(claims)
    if (entry !== undefined && challenge === undefined) {
      if (at >= entry.renewAt) renewBehind(holder, scopeSet, entry)
      return entry.token
    }
    return obtain({ ...wishOf(holder, scopeSet), claims: challenge, outlive: 0 })
  }

  /** The token in use stays in use until it ends, whatever becomes of its renewal: only a dead grant ends it sooner. */
  function renewBehind (holder: TokenHolder, scopeSet: number, entry: ReadyEntry): void {
    entry.renewAt = Infinity
    const wish = { ...wishOf(holder, scopeSet), claims: undefined, outlive: entry.token.hardAt }
    obtain(wish).catch(error => {
      log.warn({ err: error, resource: wish.set.resource }, 'a token could not be renewed yet')
    }).finally(() => { entry.renewAt = now() + retryMs * (0.75 + 0.5 * random()) })
  }

  function wishOf (holder: TokenHolder, scopeSet: number): Pick<Wish, 'accountKey' | 'holder' | 'set'> {
    const set = scopeSets[scopeSet]
    if (set === undefined) throw new TypeError(`there is no scope set ${scopeSet}`)
    return { accountKey: records.keyOf(holder.account), holder, set }
  }

  async function obtain (wish: Wish): Promise<TokenOutcome> {
    const { accountKey, holder, set, claims, outlive } = wish
    if (ready.isDropped(holder.key)) return signedOut(set, true)
    // Everything that shapes the outcome: whoever asks for the same joins.
    const name = JSON.stringify([accountKey, set.index, outlive, claims])
    const outcome = await flights.join(name, () => turns.take(accountKey, () => fetchToken(wish, options)))
    if (outcome.kind === 'sign-in-needed' || outcome.hardAt <= outlive) return outcome
    const isKept = ready.put({ key: holder.key, accountKey }, set.index, { ...outcome, source: 'ready' })
    return isKept ? outcome : signedOut(set, true)
  }

  return {
    acquire,
    adopt: (accountKey, record) => turns.take(accountKey, () => adoptRecord(accountKey, record, options)),
    async forget (holder, dropAccount) {
      ready.drop(holder.key)
      if (!dropAccount) return
      const accountKey = records.keyOf(holder.account)
      ready.dropAccount(accountKey)
      // Without the lock: whoever renews meanwhile finds the record gone and drops what came.
      await records.drop(accountKey)
    }
  }
}
