/** This file finds the token of an API client in an Authorization field, pure. */

/** What a field holds: nothing for a client of ours, a token, or something that calls itself one. */
export type FoundBearer =
  | { readonly kind: 'none' }
  | { readonly kind: 'token', readonly token: string }
  | { readonly kind: 'malformed', readonly why: string }

/** Tokens with 200 groups have 12,000 characters. */
const maxLength = 16 * 1024
/** The scheme counts without case, and any number of blanks follow it (RFC 9110, sections 11.1 and 11.4). */
const scheme = /^bearer(?: +|$)/i
/** A signed token in compact form (RFC 7515, section 7.1): an unsigned one has no third part, an encrypted one has five. */
const jwt = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** @param authorization - the one Authorization field of a request */
export function findBearer (authorization: string | undefined): FoundBearer {
  const found = authorization === undefined ? null : scheme.exec(authorization)
  if (authorization === undefined || found === null) return { kind: 'none' }
  if (authorization.length > maxLength) return { kind: 'malformed', why: 'the token is too long' }
  const token = authorization.slice(found[0].length)
  return jwt.test(token) ? { kind: 'token', token } : { kind: 'malformed', why: 'it is no signed token' }
}
