/**
 * This file checks a logout token, by which the provider says directly, and not through a browser, that a user signed out.
 *
 * @see OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6
 */
import type { JWTPayload } from 'jose'
import type { LogoutNotice } from './provider.ts'
import { isName, type ProviderTokenRules, refusalReason, refuseForeignIssuer, skewSeconds, verifyOwn } from './provider-token.ts'
import { tenantOf } from './tenant.ts'

/** What a logout token says, or why it is none. */
export type LogoutClaims =
  | {
    readonly kind: 'claims'
    readonly iss: string
    readonly jti: string
    /** At least one of the two is there. */
    readonly sid: string | undefined
    readonly sub: string | undefined
  }
  | Refused
type Refused = Extract<LogoutNotice, { kind: 'refused' }>

const event = 'http://schemas.openid.net/event/backchannel-logout'
/** Time enough for a provider to try again; the specification proposes that a token lives for two minutes. */
const maxAgeSeconds = 600
/** From the first moment, when it may seem to be made in the future, to the last. */
const acceptableMs = (maxAgeSeconds + 2 * skewSeconds) * 1000

/** @throws SG_PROVIDER_UNAVAILABLE there are no keys to verify with: nothing is said about the token */
export async function verifyLogoutToken (token: string, rules: ProviderTokenRules): Promise<LogoutNotice> {
  try {
    const { payload, protectedHeader: { typ }, keyIssuer } = await verifyOwn(token, rules, ['iat'])
    if (!isLogoutType(typ)) return refused('typ is of another kind of token')
    const claims = parseLogoutClaims(payload, rules.now / 1000)
    if (claims.kind === 'refused') return claims
    const tid = rules.other?.tid ?? tenantOf(rules.issuer, claims.iss)
    if (tid === undefined) return refused('iss is no tenant\'s')
    if (payload.tid !== undefined && payload.tid !== tid) return refused('tid is another tenant than iss')
    refuseForeignIssuer({ iss: claims.iss, tid }, rules, keyIssuer)
    const { iss, jti, sid, sub } = claims
    return { kind: 'logout', id: JSON.stringify([iss, jti]), acceptableMs, iss, sid, sub }
  } catch (error) {
    const why = refusalReason(error)
    if (why === undefined) throw error
    return refused(why)
  }
}

/**
 * The claims of a logout token, pure. Signature, audience, `exp` and `nbf` are somebody else's to check.
 *
 * @param payload - a JSON object
 */
export function parseLogoutClaims (payload: JWTPayload, nowSeconds: number): LogoutClaims {
  const { iss, jti, iat, exp, sid, sub, events } = payload as Record<string, unknown>
  // Every ID token has one or could have one: no ID token passes for a logout token.
  if (Object.hasOwn(payload, 'nonce')) return refused('there is a nonce')
  if (!isObject(events) || !Object.hasOwn(events, event) || !isObject(events[event])) return refused('events is not of a logout')
  if (typeof iat !== 'number' || !(iat > 0)) return refused('iat makes no sense')
  if (exp !== undefined && !(typeof exp === 'number' && exp > iat)) return refused('exp makes no sense')
  if (iat > nowSeconds + skewSeconds) return refused('clock skew: the token was issued in the future')
  if (iat < nowSeconds - maxAgeSeconds) return refused('the token was issued long ago')
  if (!isName(iss)) return refused('iss is missing')
  // Without it nobody could tell a second use from the first.
  if (!isName(jti)) return refused('jti is missing')
  if (sid === undefined && sub === undefined) return refused('neither sid nor sub is there')
  if (!isNameOrNone(sid) || !isNameOrNone(sub)) return refused('sid or sub names nothing')
  return { kind: 'claims', iss, jti, sid, sub }
}

/** `logout+jwt`, with or without its `application/`; providers from before that type was registered send none. */
function isLogoutType (typ: unknown): boolean {
  return typ === undefined || (typeof typ === 'string' && /^(?:application\/)?logout\+jwt$/i.test(typ))
}

function isNameOrNone (value: unknown): value is string | undefined {
  return value === undefined || isName(value)
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused (why: string): Refused {
  return { kind: 'refused', why }
}
