/**
 * This file is the catalogue of coded errors: everything that the gateway refuses or fails at on purpose.
 *
 * The codes are public (contract, section 7). An error that is not in here is a bug and is answered as `SG_INTERNAL`.
 * A cause goes into `{ cause }` and so into the log, never into `message`: messages reach the client.
 */
import createError from '@fastify/error'

export const errors = {
  SG_TARGET_INVALID: createError('SG_TARGET_INVALID', 'The request target or its headers are not acceptable', 400),
  SG_SIGN_IN_REQUIRED: createError('SG_SIGN_IN_REQUIRED', 'Sign-in is required', 401),
  SG_TOKEN_INVALID: createError('SG_TOKEN_INVALID', 'The bearer token is not acceptable', 401),
  SG_ORIGIN_REFUSED: createError('SG_ORIGIN_REFUSED', 'The request comes from another site', 403),
  SG_ACCESS_DENIED: createError('SG_ACCESS_DENIED', 'Access is denied', 403),
  SG_ROUTE_UNKNOWN: createError('SG_ROUTE_UNKNOWN', 'There is nothing at this address', 404),
  SG_SIGN_IN_EXPIRED: createError('SG_SIGN_IN_EXPIRED', 'This sign-in has expired or was used already', 400),
  SG_SIGN_IN_MISMATCH: createError('SG_SIGN_IN_MISMATCH', 'This sign-in was not started in this browser', 400),
  SG_SIGN_IN_REFUSED: createError('SG_SIGN_IN_REFUSED', 'The sign-in was refused', 403),
  SG_SIGN_IN_LOOP: createError('SG_SIGN_IN_LOOP', 'Signing in does not help: it was tried too often', 403),
  SG_CONSENT_NEEDED: createError('SG_CONSENT_NEEDED', 'Consent is needed and was not given', 403),
  SG_BODY_TOO_LARGE: createError('SG_BODY_TOO_LARGE', 'The request body is too large', 413),
  SG_PROVIDER_UNAVAILABLE: createError('SG_PROVIDER_UNAVAILABLE', 'The identity provider does not answer', 503),
  SG_PROVIDER_MISCONFIGURED: createError('SG_PROVIDER_MISCONFIGURED', 'The identity provider refused this gateway', 502),
  SG_STORE_UNAVAILABLE: createError('SG_STORE_UNAVAILABLE', 'The session store does not answer', 503),
  SG_UPSTREAM_UNREACHABLE: createError('SG_UPSTREAM_UNREACHABLE', 'The application does not answer', 502),
  SG_UPSTREAM_TLS: createError('SG_UPSTREAM_TLS', 'The application could not be reached securely', 502),
  SG_UPSTREAM_TIMEOUT: createError('SG_UPSTREAM_TIMEOUT', 'The application did not answer in time', 504),
  SG_OVERLOADED: createError('SG_OVERLOADED', 'Too many requests', 503),
  SG_INTERNAL: createError('SG_INTERNAL', 'Something went wrong', 500),
  SG_CONFIG_INVALID: createError('SG_CONFIG_INVALID', 'The configuration is not valid', 500)
} as const

/** Every public error code. A code outside the catalogue does not compile. */
export type ErrorCode = keyof typeof errors

/** Why a sign-in would help, as told to scripts in `reason` (contract, section 4). */
export type SignInReason = 'sign_in_required' | 'consent_required' | 'interaction_required' | 'mfa_required'

/** What the next sign-in has to bring: the scopes to consent to and the claims to satisfy. */
export interface SignInNeed {
  readonly reason: SignInReason
  readonly scopes: readonly string[]
  /** A claims request as JSON text, from the provider's error or an API's challenge (OIDC Core, section 5.5). */
  readonly claims?: string | undefined
  /** What the provider said to that, for the log; undefined when it was not asked. */
  readonly cause?: string | undefined
}

/** A refusal that a sign-in would lift. Answered with a redirect to a navigation and with 401 to anything else. */
export class SignInRequired extends errors.SG_SIGN_IN_REQUIRED {
  readonly need: SignInNeed
  constructor (need: SignInNeed) {
    super()
    this.need = need
  }
}

/** What an API client can do about a refusal, in the words of RFC 6750, section 3, and of Entra's claims challenges. */
export type BearerChallenge =
  /** Get another token. */
  | { readonly error: 'invalid_token' }
  /** Get another token with these claims (JSON text), for which the user may have to do something. */
  | { readonly error: 'insufficient_claims', readonly claims: string }

/** Adds to an error what an API client that gets it is to be told. @returns the error */
export function challenging (error: Error, challenge: BearerChallenge): Error {
  challenges.set(error, challenge)
  return error
}

/** @returns undefined when there is nothing that another token would help against */
export function bearerChallengeOf (error: Error): BearerChallenge | undefined {
  return challenges.get(error)
}

/** Beside the errors: all errors of a code are instances of each other. */
const challenges = new WeakMap<Error, BearerChallenge>()

/** A WebSocket handshake of another version than ours (RFC 6455, section 4.4): refused like others, with 426. */
export function upgradeRequired (options: { readonly cause: unknown }): Error {
  const error = new errors.SG_TARGET_INVALID(options)
  upgradeRefusals.add(error)
  return error
}

/** Known by themselves: a status that an error carries is not believed. */
const upgradeRefusals = new WeakSet<Error>()

/**
 * One client asks too often while others are served: the code of an overload, with the status that says whose it is
 * (RFC 6585, section 4).
 */
export class TooManyRequests extends errors.SG_OVERLOADED {
  /** When it may ask again, in milliseconds from now. */
  readonly retryAfterMs: number
  constructor (retryAfterMs: number) {
    super()
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * What the next sign-in has to bring, if an error says that one would help. Coded errors are instances of each other by
 * their code alone, so this looks at what they carry.
 */
export function signInNeedOf (error: unknown): SignInNeed | undefined {
  if (codeOf(error) !== 'SG_SIGN_IN_REQUIRED') return undefined
  return (error as Partial<SignInRequired>).need ?? { reason: 'sign_in_required', scopes: [] }
}

/** What the outside may know about an error. */
export interface Problem {
  readonly code: ErrorCode
  readonly status: number
  readonly title: string
}

/**
 * Turns any thrown value into what may be told to a client. Errors are recognised by their code, never by their message;
 * whatever is not in the catalogue becomes `SG_INTERNAL` without a word about its cause.
 */
export function problemOf (error: unknown): Problem {
  const code = codeOf(error)
  const entry = new errors[code]()
  return { code, status: ownStatusOf(error) ?? entry.statusCode ?? 500, title: entry.message }
}

/** Where an error has another status than its code. Looked at by class: all errors of a code are instances of each other. */
function ownStatusOf (error: unknown): 426 | 429 | undefined {
  if (!(error instanceof Error)) return undefined
  if (upgradeRefusals.has(error)) return 426
  return error.constructor === TooManyRequests ? 429 : undefined
}

function codeOf (error: unknown): ErrorCode {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string' && Object.hasOwn(errors, error.code)) {
    return error.code as ErrorCode
  }
  return 'SG_INTERNAL'
}
