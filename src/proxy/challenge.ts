/**
 * This file reads the claims challenge in an upstream's header section, pure: a `Bearer` challenge that says
 * `insufficient_claims`, and which claims of an access token would do.
 */
import { isUtf8 } from 'node:buffer'

/**
 * Longer ones are none, in bytes: they have to travel through the browser, quoted and sealed, in a cookie of 4 KiB. Claims of
 * the wild have a tenth of that.
 */
const maxBytes = 2048
const maxEncodedLength = Math.ceil(maxBytes / 3) * 4

/**
 * The claims request of the first claims challenge: JSON text with `access_token` and nothing else, since an API has no say
 * in what the gateway's own ID token holds. Undefined when no challenge has a sound one.
 *
 * @param raw - names and values in turn, as undici hands them over
 * @see https://learn.microsoft.com/entra/identity-platform/claims-challenge
 */
export function readClaimsChallenge (raw: readonly Buffer[]): string | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.toString('latin1').toLowerCase() !== 'www-authenticate') continue
    for (const { scheme, parameters } of parseChallenges(raw[i + 1]!.toString('latin1'))) {
      const isMeant = scheme === 'bearer' && parameters.get('error') === 'insufficient_claims'
      const claims = isMeant ? decodeClaims(parameters.get('claims') ?? '') : undefined
      if (claims !== undefined) return claims
    }
  }
  return undefined
}

interface Challenge {
  /** Lower case. */
  readonly scheme: string
  /** By lower-case name. One that is named twice has no value: nobody knows which is meant. */
  readonly parameters: Map<string, string | undefined>
}

/**
 * A scheme, or a name with a quoted or unquoted value, after whatever separates it from what was before. Unquoted values
 * hold what tokens may not: Graph writes a URL like that, others the padding of base64.
 */
const element = /[ \t,]*([^ \t,="]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t,"]*)))?/y

/**
 * The challenges of one field (RFC 9110, section 11.6.1); none when it cannot be read to its end. What follows a scheme
 * as a token68 is taken for another scheme or a parameter: neither is ever looked at.
 */
function parseChallenges (field: string): Challenge[] {
  const challenges: Challenge[] = []
  let at = 0
  for (;;) {
    element.lastIndex = at
    const found = element.exec(field)
    if (found === null) return /^[ \t,]*$/.test(field.slice(at)) ? challenges : []
    at = element.lastIndex
    const [, name = '', quoted, unquoted] = found
    const value = quoted?.replace(/\\(.)/g, '$1') ?? unquoted
    const lower = name.toLowerCase()
    const parameters = challenges.at(-1)?.parameters
    if (value === undefined) challenges.push({ scheme: lower, parameters: new Map() })
    else parameters?.set(lower, parameters.has(lower) ? undefined : value)
  }
}

/** Base64 or base64url, padded or not, of the JSON of a claims request (OpenID Connect Core 1.0, section 5.5). */
function decodeClaims (encoded: string): string | undefined {
  if (encoded.length > maxEncodedLength || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded)) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  return isUtf8(bytes) ? accessTokenClaims(bytes.toString()) : undefined
}

function accessTokenClaims (text: string): string | undefined {
  let request: unknown
  try {
    request = JSON.parse(text)
  } catch {
    return undefined
  }
  const claims = isObject(request) ? request.access_token : undefined
  if (!isObject(claims) || Object.keys(claims).length === 0) return undefined
  const clean = JSON.stringify({ access_token: claims })
  return Buffer.byteLength(JSON.stringify(clean)) <= maxBytes ? clean : undefined
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
