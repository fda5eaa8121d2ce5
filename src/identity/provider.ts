/**
 * This file says what the rest of the gateway may ask of an identity provider, and when it is there.
 *
 * Nothing above this folder knows which provider or which library answers. Expected outcomes are values; refusals and
 * faults are thrown as coded errors (`errors.ts`).
 */
import type { SignInReason } from '../errors.ts'
import type { ApiCaller, FormerHolder, RefusedToken, SessionHolder, TokenHolder } from './holder.ts'

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

/** The claims of a verified token: a JSON object of at most 64 KiB. Values other than the named ones are unchecked. */
/** Claims as they are kept, undefined when none are, and the stamp of their record; or that they are those one knows. */
export type ClaimsReading = 'as before' | { readonly stamp: number, readonly claims: IdClaims | undefined }

export interface IdClaims {
  readonly [name: string]: unknown
  readonly iss: string
  readonly tid: string
  readonly oid: string
  readonly sub: string
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
  /** For an API client: its token is no good any more, or its user has to consent, or to do what `claims` say. */
  readonly reason: SignInReason
  /** What the sign-in has to ask for. */
  readonly scopes: readonly string[]
  /** A claims request (JSON text) that the sign-in has to satisfy. */
  readonly claims?: string | undefined
  /** Number or name of the provider's error, for the log; undefined when nobody was asked. */
  readonly cause?: string | undefined
  /** The caller ends the session: the grant is dead, or nobody can tell any more what the claims of its user are. */
  readonly endSession: boolean
}

/** What asking for the claims of a user can come to. */
export type ClaimsOutcome = UserClaims | SignInNeeded

export interface UserClaims {
  readonly kind: 'claims'
  /** Of a verified ID token. */
  readonly claims: IdClaims
}

/** What asking for the groups of a user can come to. */
export type GroupsOutcome = UserGroups | SignInNeeded

export interface UserGroups {
  readonly kind: 'groups'
  /** Object ids, in lower case: of the groups that rules name those that the user is in. */
  readonly groups: readonly string[]
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

/** What the provider's page sent back in place of a code, as the query has it: unchecked, absent is empty. */
export interface SignInFailure {
  readonly error: string
  readonly subcode: string
  readonly description: string
}

/** The sign-in that failed. */
export interface FailedSignIn {
  readonly scopes: readonly string[]
  /** A claims request, of a sign-in that was to satisfy a policy. */
  readonly claims?: string | undefined
  /** Tenant of the user, where somebody is signed in. */
  readonly tid: string | undefined
  /** What an administrator's answer brings back as its `state`. */
  readonly adminState: string
}

export interface RefusedSignIn {
  /** A coded error. */
  readonly error: Error
  /** Where an administrator can consent for everyone; undefined where that is not what was missing. */
  readonly adminConsentUrl: string | undefined
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

/** What a logout token comes to. */
export type LogoutNotice =
  | {
    readonly kind: 'logout'
    /** Unique to this token: whoever sees it again is told the same a second time. */
    readonly id: string
    /** For how many milliseconds a token can be acceptable at most. */
    readonly acceptableMs: number
    readonly iss: string
    /** The session at the provider that ended; undefined: all of the user's. */
    readonly sid: string | undefined
    /** The user, as `sub` of the ID tokens of this issuer. One of the two is always there. */
    readonly sub: string | undefined
  }
  | {
    readonly kind: 'refused'
    /** For the log. */
    readonly why: string
  }

/**
 * The functions of a provider.
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
   * What a failed sign-in means, and whether an administrator can mend it. Answers from what it is given alone.
   */
  refusal (failure: SignInFailure, asked: FailedSignIn): RefusedSignIn

  /**
   * Says who sent a bearer token. At once when this process has verified it within the last minutes.
   *
   * Only access tokens for this gateway count: an ID token, which anybody who sees one could send, is refused.
   *
   * @param onUnknown - called before a token is verified that this process has not found good before; may throw instead
   */
  identify (token: string, onUnknown?: () => void): ApiCaller | RefusedToken | Promise<ApiCaller | RefusedToken>

  /**
   * A token for one scope set. A usable ready token is returned synchronously, without crypto, JSON or a store call;
   * otherwise a promise.
   *
   * @param scopeSet - index of the scope set
   * @param claims - a claims challenge (JSON text): the answer comes from the provider and replaces the ready token. An
   *   empty or unreadable one counts as none
   * @param holder - an API client's token is exchanged on behalf of its user, so there has to be one
   * @throws SG_SIGN_IN_REFUSED the provider blocks this user; thrown or rejected like the other faults
   */
  acquire (holder: TokenHolder, scopeSet: number, claims?: string): TokenOutcome | Promise<TokenOutcome>

  /**
   * The claims of the newest verified ID token of the account, whichever replica got it, at a sign-in or with any renewal.
   * Costs one look into the store.
   *
   * @param seen - the stamp of those that the caller knows; NaN: none
   */
  newestClaims (account: Account, seen: number): Promise<ClaimsReading>

  /**
   * Claims of the account that were issued after `issuedAt`: kept ones, else the provider is asked. One call at a time for
   * an account, across replicas.
   *
   * @param issuedAt - `iat` of the claims that are too old, in seconds
   * @throws SG_SIGN_IN_REFUSED the provider blocks this user
   */
  renewClaims (holder: SessionHolder, issuedAt: number): Promise<ClaimsOutcome>

  /**
   * The groups of a user whose ID token had no room for them. Kept for ten minutes, and then returned synchronously.
   *
   * @throws SG_PROVIDER_MISCONFIGURED there is nobody to ask, or who is asked refuses; thrown or rejected like other faults
   */
  groupsOf (holder: TokenHolder): GroupsOutcome | Promise<GroupsOutcome>

  /**
   * An API has answered 401 to a token that should be good. If it is the ready one and has been for five minutes, another takes
   * its place, in the background: once, and again no sooner than after five minutes of that one.
   *
   * @param bearer - the Authorization value that was rejected
   */
  rejected (holder: TokenHolder, scopeSet: number, bearer: string): void

  /**
   * Forgets the holder's ready tokens and, with `dropAccount`, the account's record; then says where the provider's
   * own sign-out is.
   */
  signOutUrl (holder: FormerHolder | undefined, request: SignOutRequest): Promise<string>

  /**
   * Checks a logout token: that the provider made it, for this gateway, a short while ago. Whether it came before is for
   * the caller to know.
   */
  verifyLogoutToken (token: string): Promise<LogoutNotice>
}

/** A provider with a life: it learns the provider's endpoints in the background, and again from time to time. */
export interface RunningProvider extends IdentityProvider {
  /** Whether the endpoints are known. Until then sign-ins and renewals answer `SG_PROVIDER_UNAVAILABLE`. */
  readonly isReady: () => boolean
  /** Settles when the endpoints are known for the first time; stays open when that never happens. */
  readonly ready: Promise<void>
  /** What `signOutUrl` forgets, where no browser is to be sent anywhere: does not need the provider. */
  forget (holder: FormerHolder, request: Pick<SignOutRequest, 'dropAccount'>): Promise<void>
  /** Forgets the records of a user, under whichever key of the ring, and this process's ready tokens from them. */
  forgetUser (user: Pick<Account, 'tid' | 'oid'>): Promise<void>
  /** Ends calls and renewals that are under way. */
  close (): Promise<void>
}
