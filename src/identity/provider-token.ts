/**
 * This file checks what every token that the provider signs for this gateway has in common: signature, audience, issuer.
 */
import { jwtVerify, type JWTHeaderParameters, type JWTPayload, type JWTVerifyResult } from 'jose'
import { errors } from '../errors.ts'
import type { SigningKey, SigningKeys } from './signing-keys.ts'
import { issuerOf } from './tenant.ts'

export interface ProviderTokenRules {
  readonly clientId: string
  /** The issuer of every tenant, with `{tenantid}` for the tenant: `iss` and tenant must agree. */
  readonly issuer: string
  readonly isAllowedTenant: (tid: string) => boolean
  /** Undefined: Entra ID for organisations, whose tokens have everything. */
  readonly other?: OtherProvider | undefined
  readonly keys: SigningKeys
  /** Epoch milliseconds. */
  readonly now: number
}

/** A provider whose tokens are less complete: External ID, B2C, AD FS. */
export interface OtherProvider {
  /** The tenant of all its users. A token that names a tenant names this one. */
  readonly tid: string
  /**
   * The claim that is the user's object id here. One for all users of a provider: were it whichever a token has, one
   * user's `sub` could be another's `oid`.
   */
  readonly userClaim: 'oid' | 'sub'
}

/** A token whose signature, audience and times stand up. Its issuer is still to be checked. */
export interface SignedToken extends Pick<JWTVerifyResult, 'payload' | 'protectedHeader'> {
  /** The issuer that the key may sign for, with `{tenantid}` in it where it serves several. */
  readonly keyIssuer: string | undefined
}

/** Our clock and the provider's may differ by so much. */
export const skewSeconds = 60
const maxTokenLength = 64 * 1024
/** Tokens that take part in continuous access evaluation live for 28 hours. */
const maxLifeSeconds = 2 * 86_400

/** What is asked of a token beside its signature. */
export interface SignedExpectation {
  /** One of them has to be meant, at least. */
  readonly audiences: readonly string[]
  /** Times that have to be there; those that are, are checked in any case. */
  readonly times: readonly string[]
}

/**
 * Of a token that this gateway asked for itself.
 *
 * @param times - those that have to be there
 * @throws as {@link verifySigned}
 */
export async function verifyOwn (token: string, rules: ProviderTokenRules, times: readonly string[]): Promise<SignedToken> {
  const signed = await verifySigned(token, rules, { audiences: [rules.clientId], times })
  refuseForeignAudience(signed.payload, rules.clientId)
  return signed
}

/**
 * @throws SG_SIGN_IN_REFUSED the cause, for the log, names the check
 * @throws SG_PROVIDER_UNAVAILABLE there are no keys to verify with
 */
export async function verifySigned (
  token: string, rules: ProviderTokenRules, { audiences, times }: SignedExpectation
): Promise<SignedToken> {
  if (token.length > maxTokenLength) throw refusal('the token is too long')
  let keyIssuer: string | undefined
  const { payload, protectedHeader } = await jwtVerify(token, async header => {
    const found = await findKey(header, rules.keys)
    keyIssuer = found.issuer
    return found.key
  }, {
    algorithms: ['RS256'],
    audience: [...audiences],
    clockTolerance: skewSeconds,
    currentDate: new Date(rules.now),
    requiredClaims: [...times]
  }).catch(asRefusal)
  return { payload, protectedHeader, keyIssuer }
}

/**
 * @param issuer - of every tenant, as this kind of token names it; keys are listed under the issuer of ID tokens in any case
 * @throws SG_SIGN_IN_REFUSED the tenant is not let in, or the issuer is not the tenant's or not the key's
 */
export function refuseForeignIssuer (
  { iss, tid }: { readonly iss: string, readonly tid: string },
  rules: ProviderTokenRules,
  keyIssuer: string | undefined,
  issuer = rules.issuer
): void {
  if (!rules.isAllowedTenant(tid)) throw refusal('the tenant is not let in')
  if (iss !== issuerOf(issuer, tid)) throw refusal('iss is not the tenant\'s')
  if (keyIssuer !== undefined && issuerOf(keyIssuer, tid) !== issuerOf(rules.issuer, tid)) throw refusal('the key signs for another issuer')
}

/** @throws SG_SIGN_IN_REFUSED the times of a token are there and make no sense, or have not begun */
export function refuseStrangeTimes ({ iat = NaN, nbf = NaN, exp = NaN }: JWTPayload, nowSeconds: number): void {
  if (!(iat > 0 && nbf > 0 && exp > iat && exp - iat <= maxLifeSeconds)) throw refusal('iat, nbf or exp make no sense')
  if (iat > nowSeconds + skewSeconds) throw refusal('clock skew: the token was issued in the future')
}

/** A claim that names something: text that is not empty, at most 255 characters as in OpenID Connect Core, section 2. */
export function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 255
}

/** The reason is the code of the cause, because the log shows codes and no messages. */
export function refusal (reason: string): Error {
  return new errors.SG_SIGN_IN_REFUSED({ cause: Object.assign(new TypeError(reason), { code: reason }) })
}

/**
 * Why a token was refused, of an error thrown here.
 *
 * @returns undefined for any other error: it says nothing of the token
 */
export function refusalReason (error: unknown): string | undefined {
  if (!(error instanceof errors.SG_SIGN_IN_REFUSED)) return undefined
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'not genuine'
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

/** With several audiences, each is ours and `azp` says so: jose is content with one of them. */
function refuseForeignAudience ({ aud, azp }: JWTPayload & { azp?: unknown }, clientId: string): void {
  const audiences = Array.isArray(aud) ? aud : [aud]
  if (!audiences.every(audience => audience === clientId)) throw refusal('aud names somebody else')
  if ((azp !== undefined || audiences.length > 1) && azp !== clientId) throw refusal('azp names somebody else')
}

function asRefusal (cause: unknown): never {
  // Coded errors of the key look-up pass; everything else comes from jose and means: not genuine.
  if (cause instanceof Error && 'statusCode' in cause) throw cause
  throw new errors.SG_SIGN_IN_REFUSED({ cause })
}
