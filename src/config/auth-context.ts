/**
 * This file knows authentication contexts of Conditional Access: how they are written, how a sign-in asks for one, and
 * whether a token has it. Pure.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/developer-guide-conditional-access-authentication-context
 */

/** Entra names them c1 to c99. */
export function isAuthContext (text: string): boolean {
  return /^c[1-9][0-9]?$/.test(text)
}

/**
 * The claims request (OpenID Connect Core, section 5.5) for a token that has to have the context, as JSON text: the ID token
 * of a sign-in, or the access token of an API client.
 */
export function requestFor (context: string, token: 'id_token' | 'access_token' = 'id_token'): string {
  return JSON.stringify({ [token]: { acrs: { essential: true, value: context } } })
}

/**
 * The context without which a sign-in with this claims request has failed: a provider may answer without an essential claim
 * (OpenID Connect Core, section 5.5.1), so that asking alone proves nothing.
 *
 * @param claims - JSON text of an object
 */
export function contextDemandedBy (claims: string | undefined): string | undefined {
  if (claims === undefined) return undefined
  const acrs = memberOf(memberOf(JSON.parse(claims), 'id_token'), 'acrs')
  const value = memberOf(acrs, 'value')
  return memberOf(acrs, 'essential') === true && typeof value === 'string' ? value : undefined
}

/**
 * The contexts that an API asks of an access token: any one of them will do. None when it asks for other claims.
 *
 * @param claims - JSON text of an object
 */
export function contextsAskedBy (claims: string): readonly string[] {
  const acrs = memberOf(memberOf(JSON.parse(claims), 'access_token'), 'acrs')
  const named = [memberOf(acrs, 'value'), memberOf(acrs, 'values')].flat()
  return named.filter((value): value is string => typeof value === 'string' && isAuthContext(value))
}

/**
 * An API's claims request for a sign-in whose ID token has to have the context as well.
 *
 * @param claims - JSON text of an object
 */
export function askAlsoOfIdToken (claims: string, context: string): string {
  return JSON.stringify({ ...JSON.parse(claims), ...JSON.parse(requestFor(context)) })
}

/** Whether a token's claims say that everything bound to the context is satisfied. `acrs` is a list or one text. */
export function hasContext (claims: Readonly<Record<string, unknown>>, context: string): boolean {
  const { acrs } = claims
  return Array.isArray(acrs) ? acrs.includes(context) : acrs === context
}

function memberOf (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}
