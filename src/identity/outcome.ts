/**
 * This file says what an error of MSAL or of the provider means, pure, as one table.
 *
 * MSAL's classes do not decide: it reports only part of what needs a sign-in as such, and its errors carry the number
 * that the provider gave. A call that brought no answer never means anything about the user.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
import { AuthError } from '@azure/msal-node'
import { errors, type SignInReason } from '../errors.ts'
import type { SignInFailure } from './provider.ts'
import { StsError } from './sts-error.ts'

/**
 * Where the error arose: while a code was redeemed, or while a token was acquired for a session, for the gateway itself, or
 * in exchange for an API client's.
 */
export type Where = 'callback' | 'acquire' | 'app' | 'onBehalfOf'

export type Verdict =
  /** No usable answer; sessions and records stay. `isLocal`: it was not the provider who said for how long. */
  | { readonly kind: 'unavailable', readonly retryAfterMs?: number | undefined, readonly isLocal?: boolean }
  /** The provider refuses this gateway. `isCredential`: another or a reloaded credential may help. */
  | { readonly kind: 'misconfigured', readonly isCredential: boolean }
  /** The provider refuses this user, whatever they do. */
  | { readonly kind: 'refused' }
  /** A sign-in may help. `once`: if it comes back after one, it is a refusal. */
  | { readonly kind: 'sign-in', readonly reason: SignInReason, readonly claims: string | undefined, readonly once: boolean }
  /** The grant is gone: no more tokens from it. */
  | { readonly kind: 'dead' }
  /** The code was used, is too old or belongs to another verifier. */
  | { readonly kind: 'expired' }
  /** The answer belongs to another sign-in. */
  | { readonly kind: 'mismatch' }
  /** The user said no to what was asked for, or may not say yes: an administrator can. */
  | { readonly kind: 'consent' }
  /** The user left the provider's page. So does who stands before a wall that only an administrator opens. */
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'unknown' }

/** The provider does not answer, and may have said for how long. */
export class ProviderUnavailable extends errors.SG_PROVIDER_UNAVAILABLE {
  /** Milliseconds, for `Retry-After`. */
  readonly retryAfterMs: number
  /** @param retryAfterMs - absent: nobody knows, so about as long as a host that does not answer is left alone */
  constructor (retryAfterMs = 5_000, cause?: unknown) {
    super({ cause })
    this.retryAfterMs = retryAfterMs
  }
}

/** What an error tells about itself. */
interface Facts {
  readonly isInteraction: boolean
  readonly error: string
  readonly suberror: string
  /** The number after AADSTS, or 0. */
  readonly number: number
  readonly claims: string | undefined
}

interface Row {
  readonly when: (facts: Facts, where: Where | 'authorize') => boolean
  readonly verdict: (facts: Facts) => Verdict
}

const loopPauseMs = 300_000

const mfaNumbers = new Set([50072, 50074, 50076, 50078, 50079])
/** Of a policy or an assignment: one sign-in may change it, a second one will not. */
const onceNumbers = new Set([50105, 50020, 90072, 53000, 53001, 53002])
/** User disabled; grant revoked, invalid, expired, idle for too long, of a single-page app past its day, malformed. */
const deadNumbers = new Set([50057, 50173, 70000, 70008, 700082, 700084, 9002313])
/** Of the token that was to be exchanged: its signature or kind, its time. */
const assertionNumbers = new Set([50013, 500133])
/** Assertion out of time, key not registered, certificate not found, revoked or expired. */
const credentialNumbers = new Set([700024, 700027, 7000214, 1000502, 7000274, 7000277])

const gatewaySuberrors = new Set(['client_mismatch', 'protection_policy_required'])
const localSignIns = new Set(['no_tokens_found', 'refresh_token_expired'])
const grantErrors = new Set(['invalid_grant', 'interaction_required', 'login_required', 'consent_required'])
const gatewayErrors = new Set([
  'invalid_client', 'unauthorized_client', 'invalid_scope', 'invalid_resource', 'invalid_target', 'invalid_request',
  'unsupported_grant_type', 'unsupported_response_type'
])
const faultErrors = new Set([
  'temporarily_unavailable', 'server_error', 'network_error', 'endpoints_resolution_error', 'token_parsing_error'
])
const mismatchErrors = new Set(['nonce_mismatch', 'state_mismatch'])

/** User declined; an administrator has to approve, with or without a way to ask for it; nobody has consented. */
const consentNumbers = new Set([65004, 90094, 90095, 65001])

/** The first row that fits decides. */
const table: readonly Row[] = [
  // Entra saw the same request in a loop and wants to be left alone.
  { when: ({ number }) => number === 50196, verdict: () => ({ kind: 'unavailable', retryAfterMs: loopPauseMs }) },
  // Nobody but the gateway is there to be refused, and no sign-in would help.
  { when: ({ error }, where) => grantErrors.has(error) && where === 'app', verdict: () => ({ kind: 'misconfigured', isCredential: false }) },
  { when: ({ suberror }) => gatewaySuberrors.has(suberror), verdict: () => ({ kind: 'misconfigured', isCredential: false }) },
  // Blocked by Conditional Access.
  { when: ({ number }) => number === 53003, verdict: () => ({ kind: 'refused' }) },
  // Nobody is there to sign in once. With claims an API client knows what to sign its user in for.
  { when: ({ number, claims }, where) => onceNumbers.has(number) && where === 'onBehalfOf' && claims !== undefined, verdict: facts => signIn(facts, true) },
  { when: ({ number }, where) => onceNumbers.has(number) && where !== 'acquire', verdict: () => ({ kind: 'refused' }) },
  { when: (facts, where) => where === 'authorize' && isAboutConsent(facts), verdict: () => ({ kind: 'consent' }) },
  { when: ({ error, suberror }) => error === 'access_denied' && suberror === 'cancel', verdict: () => ({ kind: 'cancelled' }) },
  { when: ({ error }) => error === 'access_denied', verdict: () => ({ kind: 'refused' }) },
  // Of a sign-in without pages, which is never asked for; and what belongs to the token endpoint.
  { when: ({ error }, where) => grantErrors.has(error) && where === 'authorize', verdict: () => ({ kind: 'refused' }) },
  { when: ({ number }) => onceNumbers.has(number), verdict: facts => signIn(facts, true) },
  { when: ({ number }, where) => deadNumbers.has(number) && (where === 'acquire' || where === 'onBehalfOf'), verdict: () => ({ kind: 'dead' }) },
  { when: ({ number }, where) => assertionNumbers.has(number) && where === 'onBehalfOf', verdict: () => ({ kind: 'dead' }) },
  // A token for somebody else: it was verified to be for this gateway, so they differ about who that is.
  { when: ({ number }) => number === 500131, verdict: () => ({ kind: 'misconfigured', isCredential: false }) },
  { when: ({ isInteraction }) => isInteraction, verdict: facts => signIn(facts, false) },
  { when: ({ error }, where) => grantErrors.has(error) && where === 'callback', verdict: () => ({ kind: 'expired' }) },
  { when: ({ error }) => grantErrors.has(error), verdict: facts => signIn(facts, false) },
  { when: ({ error }) => gatewayErrors.has(error), verdict: misconfigured },
  { when: ({ error }) => faultErrors.has(error), verdict: () => ({ kind: 'unavailable' }) },
  // MSAL's throttle repeats an error without its name, or with its numbers for a name.
  { when: ({ error }) => /^[\d,]*$/.test(error), verdict: () => ({ kind: 'unavailable' }) },
  { when: ({ error }) => mismatchErrors.has(error), verdict: () => ({ kind: 'mismatch' }) }
]

export function classify (error: unknown, where: Where): Verdict {
  if (error instanceof StsError) return verdictOfCall(error)
  if (!(error instanceof AuthError)) return { kind: 'unknown' }
  return verdictOf(factsOf(error), where) ?? { kind: 'unknown' }
}

/** What the provider's page sent back in place of a code. An error that nobody knows is one of the registration. */
export function classifyFailure (failure: SignInFailure): Verdict {
  return verdictOf(factsOfFailure(failure), 'authorize') ?? { kind: 'misconfigured', isCredential: false }
}

function verdictOf (facts: Facts, where: Where | 'authorize'): Verdict | undefined {
  return table.find(row => row.when(facts, where))?.verdict(facts)
}

/** The provider's error as the log may show it: by its number or name, without its text. */
export class ProviderRefusal extends Error {
  /** `AADSTS` and a number, or the OAuth error. */
  readonly code: string
  constructor (refusal: AuthError | SignInFailure) {
    super('the provider refused', refusal instanceof Error ? { cause: refusal } : undefined)
    this.name = 'ProviderRefusal'
    const { number, error } = refusal instanceof AuthError ? factsOf(refusal) : factsOfFailure(refusal)
    this.code = number > 0 ? `AADSTS${number}` : /^[a-z_]{1,64}$/.test(error) ? error : 'unknown'
  }
}

/** Number or name of the provider's error, as {@link ProviderRefusal} has it. */
export function providerErrorOf (error: unknown): string {
  return error instanceof AuthError ? new ProviderRefusal(error).code : 'unknown'
}

/** The coded error of a verdict that no sign-in will lift: a `sign-in` that comes here was tried and did not help. */
export function codedError (verdict: Verdict, error: unknown): Error {
  const cause = error instanceof AuthError && !(error instanceof StsError) ? new ProviderRefusal(error) : error
  switch (verdict.kind) {
    case 'unavailable': return new ProviderUnavailable(verdict.retryAfterMs, cause)
    case 'misconfigured': return new errors.SG_PROVIDER_MISCONFIGURED({ cause })
    case 'sign-in':
    case 'refused': return new errors.SG_SIGN_IN_REFUSED({ cause })
    case 'expired': return new errors.SG_SIGN_IN_EXPIRED({ cause })
    case 'mismatch': return new errors.SG_SIGN_IN_MISMATCH({ cause })
    case 'consent': return new errors.SG_CONSENT_NEEDED({ cause })
    case 'cancelled': return new errors.SG_SIGN_IN_REFUSED({ cause })
    default: return new errors.SG_INTERNAL({ cause })
  }
}

/** Whether an error is of the catalogue already, so that nothing is left to classify. */
export function isCoded (error: unknown): error is Error {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && Object.hasOwn(errors, error.code)
}

function verdictOfCall (error: StsError): Verdict {
  if (error.errorCode === 'sts_foreign_address' || error.errorCode === 'need_network') return { kind: 'unknown' }
  return { kind: 'unavailable', retryAfterMs: error.retryAfterMs, isLocal: error.status === undefined }
}

function isAboutConsent ({ error, number }: Facts): boolean {
  return consentNumbers.has(number) || error === 'consent_required'
}

function misconfigured ({ error, number }: Facts): Verdict {
  return { kind: 'misconfigured', isCredential: error === 'invalid_client' && credentialNumbers.has(number) }
}

function signIn (facts: Facts, once: boolean): Verdict {
  return { kind: 'sign-in', reason: reasonOf(facts), claims: facts.claims, once }
}

function reasonOf ({ error, suberror, number }: Facts): SignInReason {
  if (number === 65001 || suberror === 'consent_required' || error === 'consent_required') return 'consent_required'
  if (mfaNumbers.has(number)) return 'mfa_required'
  return localSignIns.has(error) ? 'sign_in_required' : 'interaction_required'
}

function factsOf (error: AuthError): Facts {
  const { errorNo, claims } = error as AuthError & { errorNo?: unknown, claims?: unknown }
  return {
    // By name: an error of MSAL's other module format is not an instance of this one's class.
    isInteraction: error.name === 'InteractionRequiredAuthError',
    error: error.errorCode,
    suberror: error.subError,
    // A number at run time although MSAL's types say text; some answers carry it in their description only.
    number: Number(errorNo ?? numberIn(error.errorMessage)),
    claims: typeof claims === 'string' && claims !== '' ? claims : undefined
  }
}

function factsOfFailure ({ error, subcode, description }: SignInFailure): Facts {
  return { isInteraction: false, error, suberror: subcode, number: numberIn(description), claims: undefined }
}

function numberIn (description: string): number {
  return Number(/AADSTS(\d{4,9})\b/.exec(description)?.[1] ?? 0)
}
