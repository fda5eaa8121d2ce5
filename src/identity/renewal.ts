/**
 * This file gets one token out of one account record, from MSAL's cache in it or from the provider, and lets nothing
 * through that was not checked.
 */
import type { AuthenticationResult } from '@azure/msal-node'
import type { Credentials } from './credentials.ts'
import type { Msal } from './msal.ts'
import type { Account, IdClaims, ReadyToken } from './provider.ts'
import { StsError } from './sts-error.ts'
import { createPartition, type AccountRecord } from './token-cache.ts'
import { hasScopes, untrusted, usableToken } from './usable-token.ts'

/** What a token is wanted for. */
export interface TokenRequest {
  readonly account: Account
  /** Of one resource. */
  readonly scopes: readonly string[]
  readonly claims?: string | undefined
}

export interface Renewed {
  readonly token: ReadyToken
  /** Of the verified ID token that came with it. */
  readonly claims: IdClaims
  /** MSAL's cache with what the provider gave; undefined when MSAL kept nothing, because the account was not in it. */
  readonly cache: string | undefined
}

export interface Renewal {
  /** @returns undefined when the record holds no token that can be used now */
  fromCache (record: AccountRecord, request: TokenRequest): Promise<ReadyToken | undefined>
  /**
   * @returns undefined when the provider gave fewer scopes than were asked for
   * @throws MSAL's errors and those of the network; StsError sts_bad_response also when the answer is not to be trusted
   */
  fromProvider (record: AccountRecord, request: TokenRequest): Promise<Renewed | undefined>
}

export interface RenewalOptions {
  readonly msal: Msal
  readonly credentials: Credentials
  /** Verifies an ID token that came with a renewal. */
  readonly verify: (idToken: string) => Promise<IdClaims>
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

export function createRenewal ({ msal, credentials, verify, now, random }: RenewalOptions): Renewal {
  function tokenOf (result: AuthenticationResult, source: ReadyToken['source']): ReadyToken | undefined {
    return usableToken(result, source, { now: now(), random: random() })
  }

  /** A renewal must not change who the user is (OpenID Connect Core 1.0, section 12.2). */
  async function checkIdentity (result: AuthenticationResult, record: AccountRecord, account: Account): Promise<IdClaims> {
    if (result.accessToken === '') throw untrusted('the token is empty')
    const claims = await verify(result.idToken).catch(cause => { throw new StsError('sts_bad_response', { cause }) })
    if (claims.tid !== account.tid || claims.oid !== account.oid || claims.sub !== record.sub) {
      throw untrusted('the renewed ID token is another user\'s')
    }
    return claims
  }

  return {
    async fromCache (record, request) {
      const result = await msal.cached(createPartition(record.cache), request)
      const isUsable = result !== undefined && result.accessToken !== '' && hasScopes(result, request.scopes)
      return isUsable ? tokenOf(result, 'cache') : undefined
    },
    async fromProvider (record, request) {
      const [result, partition] = await credentials.use(async auth => {
        const partition = createPartition(record.cache)
        return [await msal.refresh(partition, auth, request), partition] as const
      })
      const claims = await checkIdentity(result, record, request.account)
      if (!hasScopes(result, request.scopes)) return undefined
      const token = tokenOf(result, 'refresh')
      if (token === undefined) throw untrusted('the token has expired already')
      return { token, claims, cache: partition.changed() }
    }
  }
}
