/**
 * This file knows what single texts of a config must look like. Every function gets a text and answers undefined, or a
 * sentence that says what to write instead. No sentence repeats the text: it may be a secret.
 */
import { isAuthContext } from './auth-context.ts'
import { isForeignToIdentity, isRequestHeaderOurs, isResponseHeaderOurs } from './header-names.ts'
import { isBase64, isPlaceholder, keyProblem } from './keys.ts'
import { literalPathProblem, routePathProblem } from './paths.ts'
import { addressBlockProblem, endpointProblem, instanceProblem, issuerProblem, keyVaultProblem, publicUrlProblem, upstreamUrlProblem, webOriginProblem } from './urls.ts'

type Check = (text: string) => string | undefined

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

export function isGuid (text: string): boolean {
  return GUID.test(text)
}

/** The formats of the schema by name. */
export const formats: Readonly<Record<string, Check>> = {
  guid: matching(GUID, 'must be a GUID, such as 72f988bf-86f1-41af-91ab-2d7cd011db47'),
  tenant: text => {
    const good = isGuid(text) || text === 'organizations' || text === 'common' || (HOST.test(text) && text.includes('.'))
    return good ? undefined : 'must be the GUID or domain of a tenant, or organizations, or common'
  },
  user: text => {
    const [tid = '', oid = '', ...rest] = text.split('/')
    return isGuid(tid) && isGuid(oid) && rest.length === 0 ? undefined : 'must be tenant ID/object ID, two GUIDs'
  },
  scope: scopeProblem,
  'auth-context': text => isAuthContext(text) ? undefined : 'must be an authentication context: c1 to c99',
  'public-url': publicUrlProblem,
  'instance-url': instanceProblem,
  'endpoint-url': endpointProblem,
  'issuer-url': issuerProblem,
  'key-vault-url': keyVaultProblem,
  'key-vault-name': matching(/^[0-9A-Za-z-]{1,127}$/, 'must be the name of a certificate: 1 to 127 letters, digits and -'),
  'upstream-url': upstreamUrlProblem,
  'web-origin': webOriginProblem,
  'address-block': addressBlockProblem,
  'host-name': matching(HOST, 'must be a host name without scheme, port or wildcard'),
  'route-path': routePathProblem,
  'literal-path': literalPathProblem,
  'upstream-name': matching(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/, 'must be a name of letters, digits, - and _, beginning with a letter'),
  'cookie-name': text => TOKEN.test(text) && text.length <= 64 && !/^__/.test(text)
    ? undefined
    : 'must be a cookie name of at most 64 characters, without the prefix __Host-, which the gateway adds',
  'key-id': matching(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, - and _'),
  key: keyProblem,
  'key-prefix': matching(/^[A-Za-z0-9:._-]{1,64}$/, 'must be 1 to 64 letters, digits and : . _ -'),
  'redis-url': redisUrlProblem,
  'postgres-url': databaseUrl(/^postgres(?:ql)?:$/, 'must be postgres://user@host:port/database, without parameters'),
  'mysql-url': databaseUrl(/^mysql:$/, 'must be mysql://user@host:port/database, without parameters'),
  identifier: matching(/^[a-z][a-z0-9_]{0,47}$/, 'must be 1 to 48 lower-case letters, digits and _, beginning with a letter'),
  base64: text => isBase64(text) ? undefined : 'must be base64 without line breaks',
  secret: text => isPlaceholder(text) ? 'is a placeholder: put the real secret there, best as ${NAME} or ${file:/path}' : undefined, // eslint-disable-line no-template-curly-in-string
  claim: matching(/^[\x21-\x7e]{1,256}$/, 'must be the name of a claim'),
  'field-value': matching(/^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/, 'must be printable ASCII without spaces at its ends'),
  'request-header': headerName(isRequestHeaderOurs),
  'response-header': headerName(isResponseHeaderOurs),
  'identity-header': headerName(isForeignToIdentity)
}

function matching (pattern: RegExp, sentence: string): Check {
  return text => pattern.test(text) ? undefined : sentence
}

function headerName (isOurs: (name: string) => boolean): Check {
  return text => {
    if (!TOKEN.test(text)) return 'must be the name of a header field'
    return isOurs(text) ? 'must not be changed here: the gateway decides about this header' : undefined
  }
}

function scopeProblem (text: string): string | undefined {
  if (!/^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/.test(text)) return 'must be one scope: no spaces, commas, quotes or backslashes; write several as a list'
  if (/^\/|\/$/.test(text)) return 'must name a permission behind the last /, such as api://orders/Orders.Read'
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/]*$/i.test(text)) return 'names an API and no permission: write it as in api://orders/Orders.Read'
  return undefined
}

/** Parameters are refused: one of a client library could turn the verification of certificates off. */
function databaseUrl (scheme: RegExp, sentence: string): Check {
  return text => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isGood = url !== undefined && scheme.test(url.protocol) && url.hostname !== '' && url.username !== '' &&
      /^\/[^/]+$/.test(url.pathname) && url.search === '' && url.hash === '' &&
      [url.username, url.password, url.pathname].every(isDecodable)
    return isGood ? undefined : sentence
  }
}

function isDecodable (text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function redisUrlProblem (text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isGood = url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '' && /^\/?\d{0,4}$/.test(url.pathname)
  return isGood ? undefined : 'must be redis://host:port/database, or rediss:// for TLS'
}
