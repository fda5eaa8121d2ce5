/** This file finds the reply address of an authorize request: until it is known, errors stay on a page of ours. */
import type { App, Tenant } from '../directory/directory.ts'
import { allRedirectUris, findClient, findTenant, sameText, TENANTLESS } from '../directory/find.ts'
import { EntraError } from '../errors/entra-error.ts'
import type { Platform } from '../state.ts'
import { requireVisible } from '../token/find-client.ts'
import type { World } from '../world.ts'

export interface ReplyAddress {
  readonly client: App
  /** null under `common` and `organizations`. */
  readonly tenant: Tenant | null
  readonly redirectUri: string
  readonly platform: Platform
  readonly mode: ResponseMode
  readonly state: string | undefined
}

export type ResponseMode = 'query' | 'fragment' | 'form_post'

export type Parameters = Readonly<Record<string, string>>

/** @throws EntraError 90002, 900144, 700016, 50194, 50011 - all of them for a page, never for a redirect */
export function findReplyAddress (parameters: Parameters, tenantName: string, world: World): ReplyAddress {
  const tenant = findPathTenant(tenantName, world)
  const client = requireClient(parameters.client_id, tenant, world)
  const { redirectUri, platform } = requireRedirectUri(parameters.redirect_uri, client)
  return { client, tenant, redirectUri, platform, mode: modeOf(parameters), state: parameters.state }
}

export function findPathTenant (name: string, world: World): Tenant | null {
  const tenant = findTenant(name, world.state.tenants) ?? null
  const isTenantless = TENANTLESS.some((word) => sameText(word, name))
  if (tenant === null && !isTenantless) throw new EntraError(90002, { onPage: true, detail: `Tenant '${name}' not found.` })
  return tenant
}

function requireClient (clientId: string | undefined, tenant: Tenant | null, world: World): App {
  if (!clientId) throw new EntraError(900144, { onPage: true, detail: "The request must contain the following parameter: 'client_id'." })
  const client = requireVisible(findClient(clientId, world.state.tenants), clientId, tenant)
  if (tenant === null && client.audience === 'single') throw new EntraError(50194, { onPage: true, detail: `Application '${clientId}' (${client.name}).` })
  return client
}

function requireRedirectUri (asked: string | undefined, client: App): { redirectUri: string, platform: Platform } {
  const platforms = Object.entries(client.redirectUris) as [Platform, readonly string[]][]
  if (!asked) {
    const [platform, uris] = platforms.find(([, list]) => list.length > 0) ?? []
    if (platform !== undefined) return { redirectUri: uris![0]!, platform }
  }
  const found = platforms.find(([, uris]) => asked !== undefined && uris.some((uri) => isSameAddress(asked, uri)))
  if (found === undefined) throw new EntraError(50011, { onPage: true, detail: `The redirect URI '${asked ?? ''}' does not match the ones of '${client.clientId}'.` })
  return { redirectUri: asked!, platform: found[0] }
}

/** Whether a URI is one of the registered redirect URIs; also the rule for `post_logout_redirect_uri`. */
export function isRegistered (uri: string, client: App): boolean {
  return allRedirectUris(client).some((registered) => isSameAddress(uri, registered))
}

const LOOPBACK = new Set(['localhost', '127.0.0.1'])
const MAX_LENGTH = 256

/** Letter by letter, except that http on a loopback host may use any port, and a URI without a path has the path `/`. */
function isSameAddress (asked: string, registered: string): boolean {
  if (asked.length > MAX_LENGTH || !URL.canParse(asked) || !URL.canParse(registered)) return false
  const [a, b] = [new URL(asked), new URL(registered)]
  // A control character or a backslash would be repaired by the parser: only what it leaves alone can match.
  if (a.href !== asked && a.href !== `${asked}/`) return false
  if (a.protocol === 'http:' && LOOPBACK.has(a.hostname)) {
    a.port = ''
    b.port = ''
  }
  return a.href === b.href
}

/** Tokens never travel in a query; the default follows the response type. */
function modeOf ({ response_mode: asked, response_type: type = 'code' }: Parameters): ResponseMode {
  const hasTokens = type.split(' ').some((word) => word.includes('token'))
  if (asked === 'form_post' || asked === 'fragment' || (asked === 'query' && !hasTokens)) return asked
  return hasTokens ? 'fragment' : 'query'
}
