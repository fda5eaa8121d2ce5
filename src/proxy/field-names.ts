/**
 * This file lists the header fields that the gateway owns, and those that end at each hop.
 */

/**
 * Hop-by-hop fields (RFC 9110, section 7.6.1; RFC 9112) and `Expect`, which is answered here. All lower case.
 */
const hopByHop = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'expect'
])

/** Fields whose names begin like this are the gateway's to set; `proxy-` also covers the deprecated hop-by-hop ones. */
const ownPrefixes = ['x-forwarded-', 'x-original-', 'x-rewrite-', 'proxy-', 'x-ms-client-principal', 'x-ms-token-', 'x-auth-request-']

const own = new Set(['forwarded', 'authorization', 'remote-user', 'host', 'x-request-id', 'scopegate', 'scopegate-error'])

export function isHopByHop (name: string): boolean {
  return hopByHop.has(name)
}

/**
 * Whether a client's field never reaches an upstream, on any route: what any identity preset could set, forwarding
 * fields, and every name with `_`, which many backends read as `-` (CVE-2025-64484 of oauth2-proxy).
 *
 * @param name - lower case
 */
export function isOwned (name: string): boolean {
  return own.has(name) || name.includes('_') || ownPrefixes.some(prefix => name.startsWith(prefix))
}

/** What {@link isOwned} says yes to, for people: names, and with a `*` what stands for many. */
export const ownedNames: readonly string[] = [...own, ...ownPrefixes.map(prefix => `${prefix}*`), '*_*']

/** Names that a Connection field nominates, beyond the connection options themselves; usually none. */
export function nominatedBy (connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined
  return new Set(connection.toLowerCase().split(',').map(name => name.trim()))
}
