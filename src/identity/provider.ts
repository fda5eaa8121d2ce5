/**
 * This file says what the rest of the gateway may ask of an identity provider: four functions, and when it is there.
 *
 * Nothing above this folder knows which provider or which library answers. Expected outcomes are values; refusals and
 * faults are thrown as coded errors (`errors.ts`).
 */
import type { SignInReason } from '../errors.ts'

/** A user of one tenant, as a session keeps it. Users are the same when `tid` and `oid` are; the rest finds cached tokens. */
export interface Account {
  /** Tenant and object id of the verified ID token. */
  readonly tid: string
  readonly oid: string
  /** MSAL's name of the account. A guest's names the home tenant. Unsigned: never a key, never compared with users. */
  readonly homeAccountId: string
  /** The host under which MSAL files the account's tokens. */
  readonly environment: string
  /**
   * The key of the ring under which the account's records are named since this sign-in: a rotation of the ring does not
   * rename them. Absent: the sealing key.
   */
  readonly keyId?: string | undefined
}

/** The claims of a verified ID token: a JSON object of at most 64 KiB. Values other than the named ones are unchecked. */
export interface IdClaims {
  readonly [name: string]: unknown
  readonly iss: string
  readonly tid: string
  readonly oid: string
  readonly sub: string
}

/** Whoever may hold ready tokens: a live session. */
export interface TokenHolder {
  /** Session key, '.', generation: another one after each sign-in, so that nobody inherits tokens. */
  readonly key: string
  readonly account: Account
  /** Epoch milliseconds at which the session ends whatever happens. */
  readonly absoluteEndsAt: number
}

/** What asking for a token can come to. Everything else is thrown. */
export type TokenOutcome = ReadyToken | SignInNeeded

export interface ReadyToken {
  readonly kind: 'token'
  /** The value of an `Authorization` field, scheme included. */
  readonly bearer: string
  /** Epoch milliseconds: from `softAt` on the token is renewed in the background, from `hardAt` on it is not used. */
  readonly softAt: number
  readonly hardAt: number
  /** Memory of this process, the account's record, or the provider. */
  readonly source: 'ready' | 'cache' | 'refresh'
}

export interface SignInNeeded {
  readonly kind: 'sign-in-needed'
  readonly reason: SignInReason
  /** What the sign-in has to ask for. */
  readonly scopes: readonly string[]
  /** A claims request (JSON text) that the sign-in has to satisfy. */
  readonly claims?: string | undefined
  /** The grant is dead: the caller ends the session, its account has no tokens any more. */
  readonly endSession: boolean
}

/** One authorization request. `state`, `nonce` and `codeChallenge` (S256) belong to one browser and one use. */
export interface SignInRequest {
  readonly state: string
  readonly nonce: string
  readonly codeChallenge: string
  /** May name several resources; the OpenID scopes are added. */
  readonly scopes: readonly string[]
  readonly claims?: string | undefined
  readonly loginHint?: string | undefined
  readonly domainHint?: string | undefined
  readonly prompt?: 'login' | 'none' | 'consent' | 'select_account' | undefined
}

/** The answer to a {@link SignInRequest}: `scopes` and `claims` are those it was made with. */
export interface CodeRedemption {
  readonly code: string
  readonly nonce: string
  readonly codeVerifier: string
  readonly scopes: readonly string[]
  readonly claims?: string | undefined
}

export interface SignInLimits {
  /** Epoch milliseconds at which the session ends whatever happens. */
  readonly absoluteEndsAt: number
}

/** Who signed in. */
export interface SignedIn {
  readonly account: Account
  readonly claims: IdClaims
}

export interface SignOutRequest {
  readonly postLogoutRedirectUri: string
  /** The `login_hint` claim of the ID token: spares the user the account picker. */
  readonly loginHint?: string | undefined
  /** Whether this was the account's last session, so that its record goes too. */
  readonly dropAccount: boolean
}

/**
 * The four functions.
 *
 * All of them throw `SG_PROVIDER_UNAVAILABLE` when the provider does not answer, `SG_PROVIDER_MISCONFIGURED` when it
 * refuses this gateway, and `SG_STORE_UNAVAILABLE`. None of these says anything about the user: sessions stay.
 */
export interface IdentityProvider {
  /** Where to send a browser to sign in. */
  signInUrl (request: SignInRequest): Promise<string>

  /**
   * Turns a code into a signed-in account and keeps its tokens for as long as the session may last.
   *
   * A code is spent by the first try. The ID token is verified before anything is stored.
   *
   * @throws SG_SIGN_IN_EXPIRED the code was used or is too old; SG_SIGN_IN_MISMATCH the answer belongs to another sign-in
   * @throws SG_SIGN_IN_REFUSED the user or tenant is not let in, or the ID token does not stand up
   * @throws SignInRequired the provider wants another round
   */
  redeem (request: CodeRedemption, limits: SignInLimits): Promise<SignedIn>

  /**
   * A token for one scope set. A usable ready token is returned synchronously, without crypto, JSON or a store call;
   * otherwise a promise.
   *
   * @param scopeSet - index of the scope set
   * @param claims - a claims challenge (JSON text): the answer comes from the provider and replaces the ready token. An
   *   empty or unreadable one counts as none
   * @throws SG_SIGN_IN_REFUSED the provider blocks this user; thrown or rejected like the other faults
   */
  acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome>

  /**
   * Forgets the holder's ready tokens and, with `dropAccount`, the account's record; then says where the provider's
   * own sign-out is.
   */
  signOutUrl (holder: TokenHolder | undefined, request: SignOutRequest): Promise<string>
}

/** A provider with a life: it learns the provider's endpoints in the background, and again from time to time. */
export interface RunningProvider extends IdentityProvider {
  /** Whether the endpoints are known. Until then sign-ins and renewals answer `SG_PROVIDER_UNAVAILABLE`. */
  readonly isReady: () => boolean
  /** Settles when the endpoints are known for the first time; stays open when that never happens. */
  readonly ready: Promise<void>
  /** Ends calls and renewals that are under way. */
  close (): Promise<void>
}
