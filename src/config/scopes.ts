/**
 * This file reads scopes the way Entra does: every scope belongs to one resource, and a token is for one resource.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/scopes-oidc
 */

export interface Scope {
  /** As written. */
  readonly text: string
  /** The API, undefined for the scopes of OpenID Connect, which belong to none. */
  readonly resource: string | undefined
  /** Equal for scopes that are the same to Entra, which ignores case and knows Microsoft Graph under three names. */
  readonly key: string
}

const OIDC = new Set(['openid', 'profile', 'email', 'offline_access'])
const GRAPH = 'https://graph.microsoft.com'
const GRAPH_NAMES = new Set([GRAPH, `${GRAPH}/`, '00000003-0000-0000-c000-000000000000'])

/**
 * Splits at the last `/`; what stands before is the resource, Microsoft Graph without one. A resource that ends in `/` keeps
 * it: `https://management.azure.com//.default`.
 */
export function parseScope (text: string): Scope {
  const lower = text.toLowerCase()
  if (OIDC.has(lower)) return { text, resource: undefined, key: lower }
  const slash = text.lastIndexOf('/')
  const prefix = slash === -1 ? GRAPH : text.slice(0, slash)
  const resource = GRAPH_NAMES.has(prefix.toLowerCase()) ? GRAPH : prefix
  return { text, resource, key: `${resource.toLowerCase()}/${lower.slice(slash + 1)}` }
}
