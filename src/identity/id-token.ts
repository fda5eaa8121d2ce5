/**
 * This file checks an ID token, all of it: MSAL checks nothing but the nonce.
 *
 * @see OpenID Connect Core 1.0, section 3.1.3.7
 */
import { jwtVerify, type JWTHeaderParameters, type JWTPayload } from 'jose'
import { errors } from '../errors.ts'
import type { IdClaims } from './provider.ts'
import type { SigningKey, SigningKeys } from './signing-keys.ts'
import { isGuid, issuerOf } from './tenant.ts'

export interface IdTokenRules {
  readonly clientId: string
  /** The issuer of every tenant, with `{tenantid}` for the tenant: `iss` and `tid` must agree. */
  readonly issuer: string
  readonly isAllowedTenant: (tid: string) => boolean
  readonly keys: SigningKeys
  /** Epoch milliseconds. */
  readonly now: number
}

/** What a particular ID token has to say beside being genuine. */
export interface IdTokenExpectation {
  /** Of the sign-in that the token answers. */
  readonly nonce?: string | undefined
}

const skewSeconds = 60
/** Entra dates tokens 300 s back; what is older was not made for the answer it came with, or our clock runs ahead. */
const maxAgeSeconds = 540
const maxLifeSeconds = 2 * 86_400
const maxTokenLength = 64 * 1024

/**
 * @returns the claims
 * @throws SG_SIGN_IN_MISMATCH the nonce is another sign-in's; SG_SIGN_IN_REFUSED anything else is wrong; the cause, for
 *   the log, names the check
 * @throws SG_PROVIDER_UNAVAILABLE there are no keys to verify with
 */
export async function verifyIdToken (token: string, rules: IdTokenRules, expected: IdTokenExpectation): Promise<IdClaims> {
  if (token.length > maxTokenLength) throw refusal('the token is too long')
  let keyIssuer: string | undefined
  const { payload } = await jwtVerify(token, async header => {
    const found = await findKey(header, rules.keys)
    keyIssuer = found.issuer
    return found.key
  }, {
    algorithms: ['RS256'],
    audience: rules.clientId,
    clockTolerance: skewSeconds,
    currentDate: new Date(rules.now),
    requiredClaims: ['exp', 'nbf', 'iat']
  }).catch(asRefusal)
  refuseStrangeTimes(payload, rules.now / 1000, expected.nonce !== undefined)
  refuseForeignAudience(payload, rules.clientId)
  const claims = parseClaims(payload)
  refuseForeignIssuer(claims, rules, keyIssuer)
  if (expected.nonce !== undefined && claims['nonce'] !== expected.nonce) {
    throw new errors.SG_SIGN_IN_MISMATCH({ cause: new TypeError('the nonce does not match') })
  }
  return claims
}

/** The key is the provider's of that name. A key that travels with the token, or an address to fetch one from, is refused. */
async function findKey (header: JWTHeaderParameters, keys: SigningKeys): Promise<SigningKey> {
  for (const name of ['jku', 'jwk', 'x5u', 'x5c']) {
    if (Object.hasOwn(header, name)) throw refusal(`the header has ${name}`)
  }
  if (typeof header.kid !== 'string') throw refusal('the header names no key')
  const found = await keys.find(header.kid)
  if (found === undefined) throw refusal('the signing key is unknown')
  return found
}

function refuseStrangeTimes ({ iat = NaN, nbf = NaN, exp = NaN }: JWTPayload, nowSeconds: number, isFirst: boolean): void {
  if (!(iat > 0 && nbf > 0 && exp > iat && exp - iat <= maxLifeSeconds)) throw refusal('iat, nbf or exp make no sense')
  if (iat > nowSeconds + skewSeconds) throw refusal('clock skew: the token was issued in the future')
  if (isFirst && iat < nowSeconds - maxAgeSeconds) throw refusal('clock skew: the token was issued long ago')
}

/** With several audiences, each is ours and `azp` says so: jose is content with one of them. */
function refuseForeignAudience ({ aud, azp }: JWTPayload & { azp?: unknown }, clientId: string): void {
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (!audiences.every(audience => audience === clientId)) throw refusal('aud names somebody else')
  if ((azp !== undefined || audiences.length > 1) && azp !== clientId) throw refusal('azp names somebody else')
}

function parseClaims (payload: JWTPayload): IdClaims {
  const { iss, tid, oid, sub, ver } = payload
  if (ver !== '2.0') throw refusal('ver is not 2.0')
  if (!isGuid(tid)) throw refusal('tid is not a tenant')
  if (!isName(oid) || !isName(sub) || !isName(iss)) throw refusal('oid, sub or iss is missing')
  return { ...payload, iss, tid, oid, sub }
}

function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 255
}

function refuseForeignIssuer ({ iss, tid }: IdClaims, rules: IdTokenRules, keyIssuer: string | undefined): void {
  if (!rules.isAllowedTenant(tid)) throw refusal('the tenant is not let in')
  if (iss !== issuerOf(rules.issuer, tid)) throw refusal('iss is not the tenant\'s')
  if (keyIssuer !== undefined && iss !== issuerOf(keyIssuer, tid)) throw refusal('the key signs for another issuer')
}

function asRefusal (cause: unknown): never {
  // Coded errors of the key look-up pass; everything else comes from jose and means: not genuine.
  if (cause instanceof Error && 'statusCode' in cause) throw cause
  throw new errors.SG_SIGN_IN_REFUSED({ cause })
}

/** The reason is the code of the cause, because the log shows codes and no messages. */
function refusal (reason: string): Error {
  return new errors.SG_SIGN_IN_REFUSED({ cause: Object.assign(new TypeError(reason), { code: reason }) })
}
