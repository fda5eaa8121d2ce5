/**
 * This file gets the gateway's own tokens (client credentials): no user is behind them, so one serves everybody, and none of
 * them is ever near an account's cache.
 */
import { errors } from '../errors.ts'
import type { Wish } from './account-tokens.ts'
import type { BackOff } from './back-off.ts'
import type { Credentials } from './credentials.ts'
import type { Msal } from './msal.ts'
import { classify, codedError, isCoded, ProviderUnavailable } from './outcome.ts'
import type { AppHolder } from './holder.ts'
import type { ReadyToken } from './provider.ts'
import { untrusted, usableToken } from './usable-token.ts'

export interface AppTokens {
  /** @throws SG_PROVIDER_UNAVAILABLE, SG_PROVIDER_MISCONFIGURED; for a while after one of them without asking again */
  fetch (wish: Pick<Wish<AppHolder>, 'set' | 'claims'>): Promise<ReadyToken>
}

export interface AppTokensOptions {
  readonly msal: Msal
  readonly credentials: Credentials
  readonly backOff: BackOff
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

export function createAppTokens ({ msal, credentials, backOff, now, random }: AppTokensOptions): AppTokens {
  /** By scope set: everybody waits for these tokens, so a refusal is told to everybody for a while. */
  const refusals = new Map<number, Error>()

  async function ask ({ set, claims }: Pick<Wish<AppHolder>, 'set' | 'claims'>): Promise<ReadyToken> {
    const result = await credentials.use(auth => msal.forApp(auth, { scopes: set.scopes, claims }))
    if (result.accessToken === '') throw untrusted('the token is empty')
    const token = usableToken(result, 'refresh', { now: now(), random: random() })
    if (token === undefined) throw untrusted('the token has expired already')
    return token
  }

  return {
    async fetch (wish) {
      const { index } = wish.set
      const name = `app ${index}`
      const waitMs = backOff.wait(name)
      if (waitMs > 0) throw refusals.get(index) ?? new ProviderUnavailable(waitMs)
      refusals.delete(index)
      try {
        const token = await ask(wish)
        backOff.succeeded(name)
        return token
      } catch (error) {
        const verdict = classify(error, 'app')
        const retryAfterMs = verdict.kind === 'unavailable' ? verdict.retryAfterMs : undefined
        // Each replica has a token of its own, and is told itself.
        await backOff.failed(name, { retryAfterMs, isLocal: true })
        if (verdict.kind === 'unavailable') throw codedError({ ...verdict, retryAfterMs: backOff.wait(name) }, error)
        const coded = isCoded(error) ? error : codedError(verdict, error)
        if (coded instanceof errors.SG_PROVIDER_MISCONFIGURED) refusals.set(index, coded)
        throw coded
      }
    }
  }
}
