/**
 * This file keeps what the newest verified ID token of an account says, beside the account's tokens: a session that began
 * with an older one goes by it.
 */
import type { KeyRing } from '../store/key-ring.ts'
import { createRecordSealer, notSeen, stampOf } from '../store/sealed.ts'
import type { Store } from '../store/store.ts'
import type { ClaimsReading, IdClaims } from './provider.ts'

/** Named by the key of the account's record. All operations throw `SG_STORE_UNAVAILABLE`. */
export interface NewestClaims {
  /** @returns undefined when there are none, or none that open */
  read (accountKey: string): Promise<IdClaims | undefined>
  /** @see IdentityProvider.newestClaims */
  readAgain (accountKey: string, seen: number): Promise<ClaimsReading>
  /** For as long as the account's record lives. */
  keep (accountKey: string, claims: IdClaims, endsAt: number): Promise<void>
  /** Writes over claims that exist. @returns false when there are none: lost, or gone with a sign-out */
  replace (accountKey: string, claims: IdClaims, endsAt: number): Promise<boolean>
  drop (accountKey: string): Promise<void>
}

export interface NewestClaimsOptions {
  readonly store: Store
  readonly keys: KeyRing
  /** Epoch milliseconds. */
  readonly now: () => number
}

export function createNewestClaims ({ store, keys, now }: NewestClaimsOptions): NewestClaims {
  const sealer = createRecordSealer(keys)
  /** The name of the account's record with another family: on the same node of a Redis Cluster. */
  const nameOf = (accountKey: string): string => accountKey.replace(/^tc:/, 'uc:')
  const sealed = (name: string, claims: IdClaims): string => sealer.seal('account-claims', name, JSON.stringify(claims))

  async function readAgain (accountKey: string, seen: number): Promise<ClaimsReading> {
    const name = nameOf(accountKey)
    const record = await store.get(name)
    const stamp = stampOf(record)
    if (stamp === seen) return 'as before'
    const text = record === undefined ? undefined : sealer.open('account-claims', name, record)
    // What opens was written here.
    return { stamp, claims: text === undefined ? undefined : JSON.parse(text) as IdClaims }
  }

  return {
    async read (accountKey) {
      const reading = await readAgain(accountKey, notSeen)
      return reading === 'as before' ? undefined : reading.claims
    },
    readAgain,
    async keep (accountKey, claims, endsAt) {
      const name = nameOf(accountKey)
      await store.set(name, sealed(name, claims), endsAt - now())
    },
    async replace (accountKey, claims, endsAt) {
      const name = nameOf(accountKey)
      return await store.update(name, sealed(name, claims), endsAt - now())
    },
    async drop (accountKey) { await store.delete(nameOf(accountKey)) }
  }
}
