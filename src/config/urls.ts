/** This file checks the addresses of a config. Each function answers undefined, or a sentence that says what to write. */
import { BlockList, isIP } from 'node:net'
import { literalPathProblem } from './paths.ts'

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
const PLAIN_HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/
const PRINTABLE = /^[\x21-\x7e]+$/

/** Addresses that answer with the credentials of the machine to whoever can reach them. */
const linkLocal = new BlockList()
linkLocal.addSubnet('169.254.0.0', 16)
linkLocal.addSubnet('fe80::', 10, 'ipv6')

export function isLoopback (url: URL): boolean {
  return LOOPBACK.test(url.hostname)
}

/** Only an origin is accepted, and only as a URL parser would print it: it is compared with Origin byte for byte. */
export function publicUrlProblem (text: string): string | undefined {
  const url = parse(text)
  if (url === undefined || url.origin !== text || !PLAIN_HOST.test(url.hostname)) {
    return 'must be an origin, such as https://portal.contoso.com: scheme, host in lower case, a port other than the default, and nothing behind it'
  }
  if (url.protocol === 'https:' || isLoopback(url)) return undefined
  return 'must begin with https://: cookies and tokens need it; http is for localhost only'
}

/** The identity provider: an https origin, with or without the slash that Microsoft.Identity.Web puts behind it. */
export function instanceProblem (text: string): string | undefined {
  const url = parse(text)
  if (url?.protocol === 'https:' && (text === url.origin || text === `${url.origin}/`)) return undefined
  return 'must be an https origin, such as https://login.microsoftonline.com/'
}

/** An endpoint of the identity provider. B2C may have the policy in its query. */
export function endpointProblem (text: string): string | undefined {
  const url = parse(text)
  const isGood = url !== undefined && url.username === '' && url.password === '' && url.hash === '' && (url.protocol === 'https:' || isLoopback(url))
  return isGood ? undefined : 'must be an https URL without user name and fragment; http is for localhost only'
}

/** Compared with `iss` byte for byte: AD FS's may be http, and is a name only (OpenID Connect Core, section 2). */
export function issuerProblem (text: string): string | undefined {
  const url = parse(text)
  const isGood = url !== undefined && url.username === '' && url.search === '' && url.hash === '' && !text.includes('{')
  return isGood ? undefined : 'must be the issuer\'s URL without query and placeholder'
}

/** A vault by its own name: what follows that is whom the token for it is made for. */
export function keyVaultProblem (text: string): string | undefined {
  const isVault = instanceProblem(text) === undefined && /^[a-z0-9-]+(?:\.[a-z0-9-]+){2,}$/.test(new URL(text).host)
  return isVault ? undefined : 'must be the https origin of a vault, such as https://contoso.vault.azure.net'
}

/** An origin as browsers write it in the Origin field. */
export function webOriginProblem (text: string): string | undefined {
  return parse(text)?.origin === text ? undefined : 'must be an origin as browsers send it, such as https://dash.example.com: lower case, no path, no default port'
}

/** A literal origin with an optional base path. */
export function upstreamUrlProblem (text: string): string | undefined {
  const url = parse(text)
  if (url === undefined) return 'must be an http or https URL, such as https://orders.apps.svc:8443'
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password'
  if (/[?#]/.test(text)) return 'must not have a query or fragment: an origin and, if needed, a base path'
  if (!PLAIN_HOST.test(url.hostname)) return 'must name one host literally: no wildcards or patterns'
  if (isLinkLocal(url.hostname)) return 'must not be a link-local address: it may be the metadata service of a cloud'
  const isLiteral = literalPathProblem(url.pathname) === undefined && hasPath(text, url.pathname)
  return isLiteral ? undefined : 'must have a literal base path: no escapes, dot segments, double slashes or patterns'
}

/** An address, or a block of them that is not all there are. */
export function addressBlockProblem (text: string): string | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const longest = family === 4 ? 32 : 128
  if (family === 0 || rest.length > 0 || (bits !== undefined && (!/^\d{1,3}$/.test(bits) || Number(bits) > longest))) {
    return 'must be an IP address or a CIDR block, such as 10.0.0.0/8'
  }
  if (bits !== undefined && Number(bits) === 0) return 'must not trust every address: name the blocks of the proxies in front'
  return undefined
}

/** The parser forgives spaces, backslashes and missing slashes; what it would have to repair is refused. */
function parse (text: string): URL | undefined {
  return PRINTABLE.test(text) && /^https?:\/\/[^/\\]+(?:\/[^\\]*)?$/.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

/** Whether the parser left the path as it was written: it resolves dot segments. */
function hasPath (text: string, pathname: string): boolean {
  const written = text.slice(text.indexOf('/', 'https://'.length))
  return pathname === (/^https?:\/\/[^/]+$/.test(text) ? '/' : written)
}

function isLinkLocal (hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(address)
  return family !== 0 && linkLocal.check(address, family === 4 ? 'ipv4' : 'ipv6')
}
