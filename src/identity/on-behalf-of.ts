/**
 * This file exchanges the token of an API client for one that an upstream takes, on behalf of the client's user. What comes
 * is kept in this process and for this token alone: there is no account's record behind it, and nothing to sign out of.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
 */
import type { AuthenticationResult } from '@azure/msal-node'
import type { Wish } from './account-tokens.ts'
import type { BackOff } from './back-off.ts'
import { createBoundedMap } from './bounded.ts'
import type { Credentials } from './credentials.ts'
import type { Msal } from './msal.ts'
import { classify, codedError, isCoded, providerErrorOf, ProviderUnavailable } from './outcome.ts'
import type { ApiCaller } from './holder.ts'
import type { IdClaims, ReadyToken, SignInNeeded, TokenOutcome } from './provider.ts'
import { hasScopes, untrusted, usableToken } from './usable-token.ts'

export interface OnBehalfOfOptions {
  readonly msal: Msal
  readonly credentials: Credentials
  /** Verifies an ID token that came along. */
  readonly verify: (idToken: string) => Promise<IdClaims>
  readonly backOff: BackOff
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

type CallerWish = Pick<Wish<ApiCaller>, 'holder' | 'set' | 'claims'>

export interface OnBehalfOf {
  /** @throws SG_PROVIDER_UNAVAILABLE, SG_PROVIDER_MISCONFIGURED, SG_SIGN_IN_REFUSED */
  fetch (wish: CallerWish): Promise<TokenOutcome>
}

/** A client that does not give up is told the same again for a while, and the provider is not asked. */
const refusalMs = 10_000
const maxRefusals = 5_000

export function createOnBehalfOf ({ msal, credentials, verify, backOff, now, random }: OnBehalfOfOptions): OnBehalfOf {
  const refusals = createBoundedMap<{ readonly outcome: SignInNeeded, readonly at: number }>(maxRefusals)

  async function exchange ({ holder, set, claims }: CallerWish): Promise<ReadyToken | undefined> {
    const { account: { tid }, token: assertion } = holder
    const result = await credentials.use(auth => msal.onBehalfOf(auth, { tid, assertion, scopes: set.scopes, claims }))
    if (result.accessToken === '') throw untrusted('the token is empty')
    await checkUser(result, holder)
    if (!hasScopes(result, set.scopes)) return undefined
    const token = usableToken(result, 'refresh', { now: now(), random: random() })
    if (token === undefined) throw untrusted('the token has expired already')
    return token
  }

  async function checkUser ({ idToken }: AuthenticationResult, { account }: ApiCaller): Promise<void> {
    if (idToken === '') return
    const claims = await verify(idToken).catch(cause => { throw untrusted('the ID token does not stand up', cause) })
    if (claims.tid !== account.tid || claims.oid !== account.oid) throw untrusted('the ID token is another user\'s')
  }

  async function ask (wish: CallerWish): Promise<TokenOutcome> {
    const { holder, claims } = wish
    try {
      const token = await exchange(wish)
      backOff.succeeded(holder.key)
      return token ?? needed(wish, 'consent_required')
    } catch (error) {
      if (isCoded(error)) throw error
      const verdict = classify(error, 'onBehalfOf')
      const cause = providerErrorOf(error)
      if (verdict.kind === 'unavailable') {
        await backOff.failed(holder.key, { retryAfterMs: verdict.retryAfterMs, isLocal: true })
        throw codedError({ ...verdict, retryAfterMs: backOff.wait(holder.key) }, error)
      }
      if (verdict.kind === 'dead') return { ...needed(wish, 'sign_in_required'), cause }
      if (verdict.kind !== 'sign-in') throw codedError(verdict, error)
      return { ...needed(wish, verdict.reason), claims: verdict.claims ?? claims, cause }
    }
  }

  return {
    async fetch (wish) {
      const { holder, set, claims } = wish
      const name = JSON.stringify([holder.key, set.index, claims])
      const refusal = refusals.get(name)
      if (refusal !== undefined && Math.abs(now() - refusal.at) < refusalMs) return refusal.outcome
      const waitMs = backOff.wait(holder.key)
      if (waitMs > 0) throw new ProviderUnavailable(waitMs)
      const outcome = await ask(wish)
      if (outcome.kind === 'sign-in-needed') refusals.set(name, { outcome, at: now() })
      return outcome
    }
  }
}

function needed ({ set }: CallerWish, reason: SignInNeeded['reason']): SignInNeeded {
  return { kind: 'sign-in-needed', reason, scopes: set.scopes, endSession: false }
}
