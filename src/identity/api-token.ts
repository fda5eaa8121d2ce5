/**
 * This file checks the bearer token of an API client: that the provider made it, for this gateway, as an access token.
 *
 * ID tokens have the gateway's client id as their audience too, and travel through browsers and to whoever a user signs in
 * to with this registration: one of them must never pass for an access token.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 * @see RFC 9068, sections 2 and 4
 */
import type { JWTPayload } from 'jose'
import type { RefusedToken } from './holder.ts'
import type { IdClaims } from './provider.ts'
import {
  isName, type ProviderTokenRules, refusalReason, refuseForeignIssuer, refuseStrangeTimes, skewSeconds, verifySigned
} from './provider-token.ts'
import { isGuid } from './tenant.ts'

export interface ApiTokenRules extends ProviderTokenRules {
  /** The issuer of version 1 tokens of every tenant, with `{tenantid}` in it. @throws SG_PROVIDER_UNAVAILABLE not known yet */
  readonly issuerOfV1: () => Promise<string>
}

/** What an access token says. */
export interface ApiClaims {
  readonly kind: 'claims'
  readonly claims: IdClaims
  /** The app that got it, by its client id. */
  readonly client: string
  /** Whether that app speaks for itself, without a user. */
  readonly isApp: boolean
}

/** Somebody's token, and until when it is good, in epoch milliseconds. */
export interface VerifiedToken extends ApiClaims {
  readonly expiresAt: number
}

/** A claim of each version names the client. */
const clientClaims: Readonly<Record<string, string>> = { '1.0': 'appid', '2.0': 'azp' }
/** OpenID Connect Core 1.0, sections 2 and 3.3.2.11: claims of ID tokens. */
const idTokenClaims = ['nonce', 'at_hash', 'c_hash']

/** @throws SG_PROVIDER_UNAVAILABLE there is nothing to verify with: nothing is said about the token */
export async function verifyApiToken (token: string, rules: ApiTokenRules): Promise<VerifiedToken | RefusedToken> {
  const audiences = [rules.clientId, `api://${rules.clientId}`]
  // Their access tokens do not say what tells a user's from an app's, nor both from an ID token.
  if (rules.other?.userClaim === 'sub') return refused('the provider is none whose access tokens are known')
  try {
    const { payload, protectedHeader, keyIssuer } = await verifySigned(token, rules, { audiences, times: ['exp', 'nbf', 'iat'] })
    if (!isAccessTokenType(protectedHeader.typ)) return refused('typ is of another kind of token')
    if (typeof payload.aud !== 'string') return refused('aud names several')
    refuseStrangeTimes(payload, rules.now / 1000)
    const parsed = parseApiClaims(payload)
    if (parsed.kind === 'refused') return parsed
    // Upstreams whose scopes are the gateway's own get such tokens: none of them may come back as the user that it is about.
    if (parsed.client.toLowerCase() === rules.clientId.toLowerCase()) return refused('the gateway got it itself')
    const { claims } = parsed
    if (rules.other !== undefined && claims['ver'] !== '2.0') return refused('ver is not 2.0')
    // The signature stands up: whoever has no such token cannot make the gateway ask for anything here.
    refuseForeignIssuer(claims, rules, keyIssuer, claims['ver'] === '1.0' ? await rules.issuerOfV1() : rules.issuer)
    return { ...parsed, expiresAt: (payload.exp! + skewSeconds) * 1000 }
  } catch (error) {
    const why = refusalReason(error)
    if (why === undefined) throw error
    return refused(why)
  }
}

/** The claims of an access token, pure. Signature, audience, times, issuer and tenant are somebody else's to check. */
export function parseApiClaims (payload: JWTPayload): ApiClaims | RefusedToken {
  const { iss, tid, oid, sub, ver } = payload
  if (idTokenClaims.some(name => Object.hasOwn(payload, name))) return refused('it is an ID token')
  // Whoever sends a token that is bound to a key has to show the key (RFC 7800): as a bearer token it may be a stolen one.
  if (Object.hasOwn(payload, 'cnf')) return refused('it is bound to a key')
  if (typeof ver !== 'string' || !Object.hasOwn(clientClaims, ver)) return refused('ver is neither 1.0 nor 2.0')
  if (!isGuid(tid)) return refused('tid is not a tenant')
  if (!isName(oid) || !isName(sub) || !isName(iss)) return refused('oid, sub or iss is missing')
  const client = payload[clientClaims[ver]!]
  if (!isName(client)) return refused('it names no client')
  const isApp = isAppOnly(payload)
  if (!isApp && !isDelegated(payload)) return refused('it is neither a user\'s nor an app\'s access token')
  return { kind: 'claims', claims: { ...payload, iss, tid, oid, sub }, client, isApp }
}

/** A user let the client act for them here: ID tokens have no `scp`. */
function isDelegated ({ scp, idtyp }: Record<string, unknown>): boolean {
  return typeof scp === 'string' && scp !== '' && (idtyp === undefined || idtyp === 'user')
}

/** `idtyp` is optional in version 2. A service principal is the subject itself; a user's `sub` is another for each app. */
function isAppOnly ({ scp, idtyp, oid, sub }: Record<string, unknown>): boolean {
  return scp === undefined && (idtyp === 'app' || (idtyp === undefined && oid === sub))
}

/** Entra writes `JWT`, RFC 9068 `at+jwt`. */
function isAccessTokenType (typ: unknown): boolean {
  return typeof typ === 'string' && /^(?:jwt|(?:application\/)?at\+jwt)$/i.test(typ)
}

function refused (why: string): RefusedToken {
  return { kind: 'refused', why }
}
