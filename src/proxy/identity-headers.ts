/**
 * This file writes who the user is into header fields, by preset or by a map of claims.
 */
import type { CompiledRoute } from '../config/compile.ts'
import { clientPrincipal, displayName } from '../session/principal.ts'
import type { Claims } from '../session/session.ts'

/** Flat list of names and values. */
type Fields = readonly string[]
type Writer = (claims: Claims) => Fields

const nothing: Fields = []

const presets: Readonly<Record<string, Writer>> = {
  standard: claims => fields({
    'X-Forwarded-User': text(claims.oid),
    'X-Forwarded-Preferred-Username': text(claims.preferred_username),
    'X-Forwarded-Email': text(claims.email),
    'X-Forwarded-Groups': text(claims.groups)
  }),
  easyauth: claims => fields({
    'X-MS-CLIENT-PRINCIPAL': Buffer.from(JSON.stringify(clientPrincipal(claims))).toString('base64'),
    'X-MS-CLIENT-PRINCIPAL-ID': text(claims.oid),
    'X-MS-CLIENT-PRINCIPAL-NAME': displayName(claims),
    'X-MS-CLIENT-PRINCIPAL-IDP': 'aad'
  }),
  'oauth2-proxy': claims => fields({
    'X-Auth-Request-User': text(claims.oid),
    'X-Auth-Request-Preferred-Username': text(claims.preferred_username),
    'X-Auth-Request-Email': text(claims.email),
    'X-Auth-Request-Groups': text(claims.groups)
  })
}

/**
 * The identity fields of a route's users. Written once per sign-in and kept with its claims: on the hot path this is a
 * look-up.
 */
export function identityHeaders (setting: CompiledRoute['identityHeaders']): Writer {
  if (setting === 'none') return () => nothing
  const write = typeof setting === 'string' ? presets[setting]! : fromMap(setting)
  const written = new WeakMap<Claims, Fields>()
  return claims => {
    const known = written.get(claims)
    if (known !== undefined) return known
    const list = write(claims)
    written.set(claims, list)
    return list
  }
}

/** Names that the identity maps of routes set, in lower case; a client must not get them to any upstream. */
export function identityNames (routes: readonly CompiledRoute[]): ReadonlySet<string> {
  return new Set(routes.flatMap(({ identityHeaders: setting }) =>
    typeof setting === 'string' ? [] : Object.keys(setting).map(name => name.toLowerCase())))
}

function fromMap (map: Readonly<Record<string, string>>): Writer {
  const names = Object.entries(map)
  return claims => fields(Object.fromEntries(names.map(([name, claim]) => [name, claimText(claims, claim)])))
}

function claimText (claims: Claims, name: string): string {
  return Object.hasOwn(claims, name) ? text(claims[name]) : ''
}

/** A claim as header text: several values are joined with commas, absent ones are empty. */
function text (claim: unknown): string {
  if (claim === undefined || claim === null) return ''
  if (Array.isArray(claim)) return claim.map(text).join(',')
  return typeof claim === 'string' ? claim : JSON.stringify(claim)
}

/** Empty values are left out: an absent field says "unknown", an empty one invites mistakes. */
function fields (values: Record<string, string>): Fields {
  return Object.entries(values).filter(([, value]) => value !== '').flatMap(([name, value]) => [name, encoded(value)])
}

/**
 * Header text is printable ASCII. Everything else in a claim, line breaks above all, is percent-encoded as UTF-8, and so is
 * the percent sign itself: a reader can always decode what it gets. Spaces at the ends are encoded because the wire would
 * lose them, and make two users one.
 */
function encoded (value: string): string {
  if (/^(?! )[\x20-\x24\x26-\x7e]*(?<! )$/.test(value)) return value
  return value
    .replace(/[\ud800-\udfff]/gu, '')
    .replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent)
    .replace(/^ +| +$/g, encodeURIComponent)
}
