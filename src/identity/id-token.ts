/**
 * This file checks an ID token, all of it: MSAL checks nothing but the nonce.
 *
 * @see OpenID Connect Core 1.0, section 3.1.3.7
 */
import { errors as joseErrors, type JWTPayload } from 'jose'
import { hasContext } from '../config/auth-context.ts'
import { errors } from '../errors.ts'
import type { IdClaims } from './provider.ts'
import {
  isName, type OtherProvider, type ProviderTokenRules, refusal, refuseForeignIssuer, refuseStrangeTimes, verifyOwn
} from './provider-token.ts'
import { isGuid } from './tenant.ts'

/** What a particular ID token has to say beside being genuine. */
export interface IdTokenExpectation {
  /** Of the sign-in that the token answers. */
  readonly nonce?: string | undefined
  /** The authentication context that the sign-in had to satisfy. */
  readonly authContext?: string | undefined
}

/** Entra dates tokens 300 s back; what is older was not made for the answer it came with, or our clock runs ahead. */
const maxAgeSeconds = 540

/**
 * @returns the claims
 * @throws SG_SIGN_IN_MISMATCH the nonce is another sign-in's; SG_SIGN_IN_REFUSED anything else is wrong; the cause, for
 *   the log, names the check
 * @throws SG_PROVIDER_UNAVAILABLE there are no keys to verify with
 */
export async function verifyIdToken (token: string, rules: ProviderTokenRules, expected: IdTokenExpectation): Promise<IdClaims> {
  const required = rules.other === undefined ? ['exp', 'nbf', 'iat'] : ['exp', 'iat']
  const { payload: signed, keyIssuer } = await verifyOwn(token, rules, required).catch(nameClockSkew)
  const payload = rules.other === undefined ? signed : completed(signed, rules.other)
  refuseStrangeTimes(payload, rules.now / 1000)
  if (expected.nonce !== undefined) refuseOld(payload, rules.now / 1000)
  const claims = parseClaims(payload)
  refuseForeignIssuer(claims, rules, keyIssuer)
  if (expected.nonce !== undefined && claims['nonce'] !== expected.nonce) {
    throw new errors.SG_SIGN_IN_MISMATCH({ cause: new TypeError('the nonce does not match') })
  }
  if (expected.authContext !== undefined && !hasContext(claims, expected.authContext)) {
    throw refusal('acrs lacks the authentication context that was demanded')
  }
  return claims
}

/** The signature stands up, and the provider made the token just now: a time that does not fit is a clock that is wrong. */
function nameClockSkew (error: unknown): never {
  const cause = error instanceof errors.SG_SIGN_IN_REFUSED ? error.cause : undefined
  const isTime = (cause instanceof joseErrors.JWTExpired || cause instanceof joseErrors.JWTClaimValidationFailed) &&
    cause.reason === 'check_failed' && ['exp', 'nbf', 'iat'].includes(cause.claim)
  throw isTime ? refusal('clock skew: the token is not valid yet, or no longer') : error
}

function refuseOld ({ iat = NaN }: JWTPayload, nowSeconds: number): void {
  if (iat < nowSeconds - maxAgeSeconds) throw refusal('clock skew: the token was issued long ago')
}

/** What Entra ID says in every token and other providers leave out, B2C in version 1.0 and AD FS without `nbf`. */
function completed (payload: JWTPayload, { tid, userClaim }: OtherProvider): JWTPayload {
  const oid = payload[userClaim]
  if (oid === undefined) throw refusal(`there is no ${userClaim}: see authorityMetadata.userClaim`)
  return { tid, ...payload, nbf: payload.nbf ?? payload.iat!, oid, ver: '2.0' }
}

function parseClaims (payload: JWTPayload): IdClaims {
  const { iss, tid, oid, sub, ver } = payload
  if (ver !== '2.0') throw refusal('ver is not 2.0')
  if (!isGuid(tid)) throw refusal('tid is not a tenant')
  if (!isName(oid) || !isName(sub) || !isName(iss)) throw refusal('oid, sub or iss is missing')
  return { ...payload, iss, tid, oid, sub }
}
