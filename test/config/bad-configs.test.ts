/**
 * This file is a table of bad configs. A mark (^) stands in front of what has to be changed; the config has as many problems
 * as marks, each at its mark, and the sentence says what to write. Several rows are cases of the security requirements (C9).
 */
import t from 'tap'
import { CLIENT, configText, load, TENANT, withRoutes, type World } from './support.ts'

type Row = [what: string, text: string, sentence: RegExp, world?: World]

const server = (text: string) => configText({ server: `server: { publicUrl: https://portal.contoso.com, ${text} }` })
const publicUrl = (text: string) => configText({ server: `server: { publicUrl: ^${text} }` })
const entra = (text: string) => configText({
  entra: `entra: { clientId: ${CLIENT}, clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${SECRET}" }], ${text} }`
})
const credential = (text: string) => configText({ entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, clientCredentials: [${text}] }` })
const endpoints = (others: Record<string, string> = {}) => {
  const all = { issuer: 'i', authorizationEndpoint: 'a', tokenEndpoint: 't', jwksUri: 'k', endSessionEndpoint: 'o' }
  const written = { ...Object.fromEntries(Object.entries(all).map(([name, path]) => [name, `"https://x.example/${path}"`])), ...others }
  return `{ ${Object.entries(written).map(([name, text]) => `${name}: ${text}`).join(', ')} }`
}
const authority = (text: string, tenantId = TENANT) => entra(`tenantId: ${tenantId}, instance: https://x.example/, authorityMetadata: ${text}`)
const entraAtMark = () => entra(`tenantId: ${TENANT}`).replace('entra: ', 'entra: ^')
const vault = (url: string, name = 'a') => credential(`{ sourceType: KeyVault, keyVaultUrl: ${url}, keyVaultCertificateName: ${name} }`)
const session = (text: string) => configText({ more: `session: { ${text} }` })
const keys = (text: string) => configText({ more: `keys: ${text}` })
const upstream = (text: string) => configText({ upstreams: `upstreams: { app: { url: https://app.example }, bad: { ${text} } }` })
const path = (text: string) => withRoutes(`{ upstream: app, path: ^${text} }`)
const route = (text: string) => withRoutes(`{ upstream: app, path: /*, ${text} }`)

const GOOD_KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
const expiredCertificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

const yaml: Row[] = [
  ['an empty file', '^', /the file is empty/],
  ['only a comment', '^# nothing\n', /the file is empty/],
  ['a list', '^- a\n', /the file must be a map/],
  ['a text', '^hello\n', /the file must be a map/],
  ['a missing bracket', 'version: 1\nserver: { publicUrl: x\n^routes: []\n', /./],
  ['a tab', 'version: 1\nserver:\n^\tpublicUrl: x\n', /tab/],
  ['a key twice', configText({ more: '^version: 1' }), /a second time/],
  ['a second document', configText({ more: '^---\nversion: 1' }), /one document/],
  ['a tag of JavaScript', configText({ more: 'store: { type: ^!!js/function "function () {}" }' }), /tag/],
  ['a tag that YAML knows', configText({ more: 'store: { type: !!str ^memory }' }), /tag/],
  ['YAML 1.1', `^%YAML 1.1\n---\n${configText()}`, /YAML 1\.2/],
  ['an alias without anchor', configText({ more: 'store: ^*nothing' }), /anchor/],
  ['an anchor twice', configText({ routes: 'routes: [&a { path: /*, upstream: app }, &a ^{ path: /b, upstream: app }]' }), /anchor that another value has/],
  ['an alias bomb', `^a: &a [x, x, x, x, x, x, x, x, x]\n${[...'bcdefgh'].map((name, i) => `${name}: &${name} [${`*${'abcdefg'[i]}, `.repeat(9)}]`).join('\n')}`, /too many values/],
  ['an alias that holds itself', '^a: &a [*a]\n', /too many values/],
  ['a file of more than 1 MiB', `^${configText()}#${'x'.repeat(2 ** 20)}`, /1 MiB/],
  ['a key that is no text', configText({ upstreams: 'upstreams: { app: { url: https://app.example }, ^1: { url: https://x.example } }' }), /this cannot be a key.*quotes/],
  ['a key that YAML 1.1 reads as true', configText({ upstreams: 'upstreams: { app: { url: https://app.example }, ^on: { url: https://x.example } }' }), /this cannot be a key.*quotes/],
  ['__proto__', configText({ more: '^__proto__: { store: { type: memory } }' }), /this cannot be a key/],
  ['an unquoted no for a text', route('rewrite: ^no'), /rewrite is an unquoted yes, no.*quotes/],
  ['an unquoted yes for a truth value', route('allowEncodedSlash: ^yes'), /true or false/],
  ['1e3 for a number', server('port: ^1e3'), /port must be written in plain decimal digits/],
  ['hexadecimal for a number', server('port: ^0x50'), /plain decimal digits/],
  ['an octal-looking number', server('port: ^0808'), /plain decimal digits/],
  ['a decimal point', server('port: ^80.0'), /plain decimal digits/]
]

const store = (text: string) => configText({ more: `store: ${text}` })
const sharedStore = (text: string) => configText({ more: `store: { type: redis, ${text} }\nkeys: [{ id: k1, key: ${GOOD_KEY} }]` })

const sqlStore = (type: string, block: string) => configText({ more: `store: { type: ${type}, ${type}: ${block} }\nkeys: [{ id: k1, key: ${GOOD_KEY} }]` })

const stores: Row[] = [
  ['redis without keys', store('{ type: ^redis, redis: { url: redis://r:6379 } }'), /redis needs keys/],
  ['redis without a place', sharedStore('redis: ^{ keyPrefix: a }'), /exactly one of url, sentinels and cluster/],
  ['redis with two places', sharedStore('redis: ^{ url: redis://r, cluster: [{ host: r, port: 6379 }] }'), /exactly one of url, sentinels and cluster/],
  ['redis with nothing', configText({ more: `store: { type: ^redis }\nkeys: [{ id: k1, key: ${GOOD_KEY} }]` }), /redis needs store.redis/],
  ['memory with redis', store('{ type: memory, redis: ^{ url: redis://r } }'), /is not used with type memory/],
  ['a url of something else', sharedStore('redis: { url: ^http://r }'), /redis:\/\/host:port\/database/],
  ['sentinels without the master\'s name', sharedStore('redis: { sentinels: ^[{ host: s, port: 26379 }] }'), /needs masterName/],
  ['a placeholder for a password', sharedStore('redis: { url: redis://r, password: ^changeme }'), /is a placeholder/],
  ['a password file that is not there', sharedStore('redis: { url: redis://r, passwordFile: ^/run/none }'), /cannot be read/],
  ['redis with the block of postgres', sharedStore('redis: { url: redis://r }, postgres: ^{ url: postgres://u@h/d }'), /is not used with type redis/],
  ['postgres with nothing', sharedStore('').replace('type: redis', 'type: ^postgres'), /postgres needs store.postgres/],
  ['mysql without keys', store('{ type: ^mysql, mysql: { url: mysql://u@h/d } }'), /mysql needs keys/],
  ['a url that would turn verification off', sqlStore('postgres', '{ url: ^"postgres://u@h/d?sslmode=no-verify" }'), /without parameters/],
  ['a database url without a database', sqlStore('mysql', '{ url: ^mysql://u@h }'), /mysql:\/\/user@host:port\/database/],
  ['a database url with half an escape', sqlStore('mysql', '{ url: ^mysql://u:%zz@h/d }'), /mysql:\/\/user@host:port\/database/],
  ['a table that needs quotes', sqlStore('sqlite', '{ file: s.db, table: ^"a b" }'), /lower-case letters/],
  ['a CA file of a database that is not there', sqlStore('postgres', '{ url: postgres://u@h/d, tls: { caFile: ^/run/none } }'), /cannot be read/],
  ['a placeholder for a database password', sqlStore('postgres', '{ url: postgres://u@h/d, password: ^changeme }'), /is a placeholder/],
  ['a key prefix with a brace', sharedStore('redis: { url: redis://r, keyPrefix: ^"{a}" }'), /1 to 64 letters/]
]

const shapes: Row[] = [
  ['an unknown section', configText({ more: '^sesion: {}' }), /sesion is not a key here: did you mean session\?/],
  ['a section of a later version', server('^metrics: { port: 9090 }'), /metrics is not a key here/],
  ['a route key of a later version', route('^shadow: true'), /shadow is not a key here/],
  ['a misspelt route key', route('^method: [GET]'), /did you mean methods\?/],
  ['a key without its space', credential('{ sourceType: ClientSecret, clientSecret: abcd, ^clientSecret:abcd }'), /this is not a key here/],
  ['a wrong version', configText({ version: 'version: ^2' }), /version must be 1/],
  ['no version', `^${configText({ version: '' })}`, /version is missing/],
  ['no publicUrl', configText({ server: '^server: {}' }), /publicUrl is missing: What browsers see/],
  ['no routes', configText({ routes: 'routes: ^[]' }), /at least one entry/],
  ['an empty value', configText({ more: '^session:' }), /session is empty.*remove the key/],
  ['a text for a number', server('port: ^"8080"'), /port must be a whole number, without quotes/],
  ['a variable for a number', server('port: ^"${PORT}"'), /port must be a whole number/, { env: { PORT: '8080' } }], // eslint-disable-line no-template-curly-in-string
  ['a number for a text', server('host: ^10'), /host must be a text: put it in quotes/],
  ['a truth value for a text', server('host: ^true'), /host must be a text: put it in quotes/],
  ['a map for a text', server('host: ^{ a: b }'), /host must be a text/],
  ['a text for a list', server('trustedProxies: ^10.0.0.0/8'), /must be a list/],
  ['a text for a truth value', route('allowEncodedSlash: ^"true"'), /must be true or false, without quotes/],
  ['an empty text', server('host: ^""'), /must not be empty/],
  ['a port too high', server('port: ^65536'), /at most 65535/],
  ['a negative time', session('idleSeconds: ^-1'), /at least 1/],
  ['a word outside of its list', route('access: ^private'), /must be one of authenticated, optional, public/],
  ['401 as a number', route('unauthenticated: ^401'), /write "401", in quotes/]
]

const publicUrls: Row[] = [
  ['publicUrl over http', publicUrl('http://portal.contoso.com'), /must begin with https/],
  ['publicUrl with a path', publicUrl('https://portal.contoso.com/app'), /must be an origin/],
  ['publicUrl with a final slash', publicUrl('https://portal.contoso.com/'), /must be an origin/],
  ['publicUrl with a query', publicUrl('https://portal.contoso.com?x'), /must be an origin/],
  ['publicUrl with a user', publicUrl('https://me@portal.contoso.com'), /must be an origin/],
  ['publicUrl in upper case', publicUrl('https://Portal.contoso.com'), /lower case/],
  ['publicUrl with a wildcard', publicUrl('https://*.contoso.com'), /must be an origin/],
]

const proxies: Row[] = [
  ['all proxies trusted', server('trustedProxies: ^true'), /must be a list/],
  ['a number of proxies trusted', server('trustedProxies: [^1]'), /must be a text/],
  ['every IPv4 address trusted', server('trustedProxies: [^0.0.0.0/0]'), /must not trust every address/],
  ['every IPv6 address trusted', server('trustedProxies: ["^::/0"]').replace('"^', '^"'), /must not trust every address/],
  ['a block too long', server('trustedProxies: [^10.0.0.0/33]'), /must be an IP address or a CIDR block/],
  ['a host name as proxy', server('trustedProxies: [^proxy.example]'), /must be an IP address or a CIDR block/],
]

const serverAndEntra: Row[] = [
  ['headers slower than the request', server('limits: { headersTimeoutSeconds: ^90 }'), /must not be more than requestTimeoutSeconds/],
  ['management on the public port', server('port: 9090, management: { port: ^9090 }'), /must not be server\.port/],
  ['a token file that is not there', server('management: { tokenFile: ^token }'), /cannot be read \(ENOENT\)/],
  ['a token file with too short a token', server('management: { tokenFile: ^token }'), /one random token of 32/, { files: { '/etc/scopegate/token': 'x'.repeat(31) } }],
  ['a token file with two lines', server('management: { tokenFile: ^token }'), /one random token of 32/, { files: { '/etc/scopegate/token': `${GOOD_KEY}\n${GOOD_KEY}` } }],
  ['a token that is a placeholder', server('management: { tokenFile: ^token }'), /one random token of 32/, { files: { '/etc/scopegate/token': 'change-me-change-me-change-me-change-me' } }],
  ['an unknown kind of tenant', entra('tenantId: ^consumers'), /GUID or domain of a tenant/],
  ['organizations without a list', configText({
    entra: `^entra: { tenantId: organizations, clientId: ${CLIENT}, clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${SECRET}" }] }`
  }), /allowedTenants must list the GUIDs/],
  ['common with an empty list', entra('tenantId: common, allowedTenants: ^[]'), /allowedTenants must list the GUIDs/],
  ['a tenant and another', entra(`tenantId: ${TENANT}, allowedTenants: ^[${TENANT}, ${CLIENT}]`), /must not name other tenants/],
  ['a domain and two tenants', entra(`tenantId: contoso.com, allowedTenants: ^[${TENANT}, ${CLIENT}]`), /must not name other tenants/],
  ['a tenant by name', entra('tenantId: common, allowedTenants: [^contoso.com]'), /must be a GUID/],
  ['an http instance', entra(`tenantId: ${TENANT}, instance: ^http://localhost:8443/`), /https origin/],
  ['an instance with a path', entra(`tenantId: ${TENANT}, instance: ^https://x.b2clogin.com/tfp/`), /https origin/],
  ['a clientId that is no GUID', entra(`tenantId: ${TENANT}`).replace(`clientId: ${CLIENT}`, 'clientId: ^my-app'), /clientId must be a GUID/],
  ['endpoints without the others', authority('^{ issuer: "https://x.example/adfs" }'), /or none of them/],
  ['endpoints of a tenant by its domain', authority(endpoints(), '^contoso.com'), /tenantId must be a GUID with authorityMetadata/],
  ['a sign-in page elsewhere', authority(endpoints({ authorizationEndpoint: '^"https://y.example/authorize"' })), /must be at entra\.instance/],
  ['a sign-out page elsewhere', authority(endpoints({ endSessionEndpoint: '^"https://x.example:8443/logout"' })), /must be at entra\.instance/],
  ['tokens over http', authority(endpoints({ tokenEndpoint: '^"http://x.example/token"' })), /https URL/],
  ['keys of somebody with a password', authority(endpoints({ jwksUri: '^"https://a:b@x.example/keys"' })), /https URL without user name/],
  ['an issuer of every tenant', authority(endpoints({ issuer: '^"https://x.example/{tenantid}/v2.0"' })), /without query and placeholder/],
  ['another claim for the user', authority(endpoints({ userClaim: '^email' })), /must be one of oid, sub/],
  ['a proxy that is no URL', entraAtMark(), /entra is reached through HTTPS_PROXY, which must be a URL/, { env: { HTTPS_PROXY: 'proxy:3128' } }],
  ['a proxy of another kind', entraAtMark(), /reached through http_proxy/, { env: { http_proxy: 'socks5://proxy:1080' } }],
  ['a proxy user that cannot be read', entraAtMark(), /reached through HTTPS_PROXY/, { env: { HTTPS_PROXY: 'http://a:%ff@proxy:3128' } }],
  ['a workload identity over http', entraAtMark(), /AZURE_AUTHORITY_HOST/, {
    env: { AZURE_FEDERATED_TOKEN_FILE: '/run/token', AZURE_CLIENT_ID: CLIENT, AZURE_TENANT_ID: TENANT, AZURE_AUTHORITY_HOST: 'http://login.example/' }
  }],
  ['a scope list in one text', entra(`tenantId: ${TENANT}, initialScopes: [^"User.Read Mail.Read"]`), /one scope/],
]

const credentials: Row[] = [
  ['no credential', credential('').replace('[]', '^[]'), /at least one entry/],
  ['a credential of no kind', credential('^{ clientSecret: abc }'), /sourceType is missing/],
  ['a credential of Microsoft.Identity.Web', credential('{ sourceType: ^SignedAssertionFromVault, keyVaultUrl: "https://x" }'), /SignedAssertionFromVault, which is not supported: use KeyVault/],
  ['another one', credential('{ sourceType: ^StoreWithThumbprint }'), /StoreWithThumbprint, which is not supported/],
  ['a credential nobody knows', credential('{ sourceType: ^Password }'), /must be one of SignedAssertionFilePath, SignedAssertionFromManagedIdentity, KeyVault, Path, Base64Encoded, ClientSecret/],
  ['a vault on http', vault('^http://contoso.vault.azure.net'), /https origin of a vault/],
  ['a vault with a path', vault('^https://contoso.vault.azure.net/secrets'), /https origin of a vault/],
  ['a vault without a cloud', vault('^https://vault.example'), /https origin of a vault/],
  ['a certificate with its version', vault('https://contoso.vault.azure.net', '^a/0123'), /name of a certificate/],
  ['a vault without certificate', credential('^{ sourceType: KeyVault, keyVaultUrl: https://contoso.vault.azure.net }'), /keyVaultCertificateName is missing/],
  ['a managed identity by name', credential('{ sourceType: SignedAssertionFromManagedIdentity, managedIdentityClientId: ^my-identity }'), /must be a GUID/],
  ['a secret that is missing', credential('^{ sourceType: ClientSecret }'), /clientSecret is missing/],
  ['a secret that is a placeholder', credential('{ sourceType: ClientSecret, clientSecret: ^<your secret> }'), /placeholder/],
  ['a placeholder from a variable', credential('{ sourceType: ClientSecret, clientSecret: ^"${P}" }'), /placeholder/, { env: { P: 'changeme' } }], // eslint-disable-line no-template-curly-in-string
]

const unset: Row[] = [
  ['a variable that is not set', credential('{ sourceType: ClientSecret, clientSecret: ^"${NOWHERE}" }'), /variable NOWHERE, which is not set/], // eslint-disable-line no-template-curly-in-string
  ['a secret file that is not there', credential('{ sourceType: ClientSecret, clientSecret: ^"${file:/run/x}" }'), /file "\/run\/x", which cannot be read/], // eslint-disable-line no-template-curly-in-string
]

const certificates: Row[] = [
  ['a placeholder without end', credential('{ sourceType: ClientSecret, clientSecret: ^"${NOWHERE" }'), /wrong form/], // eslint-disable-line no-template-curly-in-string
  ['a certificate that is not there', credential('{ sourceType: Path, certificateDiskPath: ^client.pem }'), /cannot be read \(ENOENT\)/],
  ['a certificate that is none', credential('{ sourceType: Path, certificateDiskPath: ^client.pem }'), /certificate that cannot be read/,
    { files: { '/etc/scopegate/client.pem': expiredCertificate } }],
  ['base64 that is none', credential('{ sourceType: Base64Encoded, base64EncodedValue: ^"???" }'), /must be base64/],
  ['an assertion without file', credential('^{ sourceType: SignedAssertionFilePath }'), /AZURE_FEDERATED_TOKEN_FILE/],
  ['a CA file that holds none', entra(`tenantId: ${TENANT}, caFile: ^ca.pem`), /certificates in PEM form/, { files: { '/etc/scopegate/ca.pem': 'hello' } }]
]

const sessionAndKeys: Row[] = [
  ['idle longer than absolute', session('idleSeconds: ^3601, absoluteSeconds: 3600'), /must not be more than absoluteSeconds/],
  ['more than a day', session('absoluteSeconds: ^86401'), /at most 86400/],
  ['a share of the lines as a fraction', configText({ more: 'logging: { samplePercent: ^0.1 }' }), /plain decimal digits/],
  ['more than all lines', configText({ more: 'logging: { samplePercent: ^101 }' }), /at most 100/],
  ['a cookie that would be sent across sites', session('cookie: { sameSite: ^none }'), /must be one of lax, strict/],
  ['a cookie name with the prefix', session('cookie: { name: ^__Host-scopegate }'), /without the prefix/],
  ['a cookie name with a space', session('cookie: { name: ^a b }'), /cookie name/],
  ['a short key', keys('[{ id: a, key: ^c2hvcnQ= }]'), /at least 32 random bytes/],
  ['a key of one byte', keys(`[{ id: a, key: ^"${'00'.repeat(32)}" }]`), /not random/],
  ['a key of a word', keys(`[{ id: a, key: ^${'changeme'.repeat(6)} }]`), /not random/],
  ['a key that is no base64', keys(`[{ id: a, key: ^"${'ä'.repeat(50)}" }]`), /base64/],
  ['a key id with a dot', keys(`[{ id: ^a.b, key: "${GOOD_KEY}" }]`), /1 to 32 letters/],
  ['a key id twice', keys(`[{ id: a, key: "${GOOD_KEY}" }, { id: ^a, key: "${GOOD_KEY}" }]`), /id is the id of the key in line 6, too/],
  ['an empty ring', keys('^[]'), /at least one entry/],
  ['a key file that is not there', keys('{ file: ^/run/keys.yaml }'), /cannot be read \(ENOENT\)/]
]

const upstreams: Row[] = [
  ['not http', upstream('url: ^ftp://x.example'), /http or https/],
  ['a user in the URL', upstream('url: ^https://me:pw@x.example'), /user name or password/],
  ['a query in the URL', upstream('url: ^https://x.example/?a=b'), /query or fragment/],
  ['a fragment in the URL', upstream('url: ^https://x.example/#a').replace('^https://x.example/#a', '^"https://x.example/#a"'), /query or fragment/],
  ['a wildcard host', upstream('url: ^https://*.example'), /no wildcards/],
  ['a host from the request', upstream('url: ^https://$host.example'), /no wildcards/],
  ['the metadata address', upstream('url: ^http://169.254.169.254/'), /link-local/],
  ['the metadata address as a number', upstream('url: ^http://2852039166/'), /link-local/],
  ['the metadata address in IPv6', upstream('url: ^http://[::ffff:169.254.169.254]/').replace('^http://[::ffff:169.254.169.254]/', '^"http://[::ffff:169.254.169.254]/"'), /link-local/],
  ['a link-local IPv6 address', upstream('url: ^"http://[fe80::1]/"'), /link-local/],
  ['dot segments in the base path', upstream('url: ^https://x.example/a/../b'), /literal base path/],
  ['an escape in the base path', upstream('url: ^https://x.example/a%2fb'), /literal base path/],
  ['a name with a dot', configText({ upstreams: 'upstreams: { app: { url: https://app.example }, ^a.b: { url: https://x.example } }' }), /must be a name of letters/],
]

const tokens: Row[] = [
  ['two resources', upstream('url: https://x.example, scopes: ^[User.Read, api://orders/Orders.Read]'), /mix "https:\/\/graph.microsoft.com" and "api:\/\/orders"/],
  ['.default beside another', upstream('url: https://x.example, scopes: ^[api://orders/.default, api://orders/Orders.Read]'), /\.default alone/],
  ['only OpenID Connect scopes', upstream('url: https://x.example, scopes: ^[openid, profile]'), /name no API/],
  ['an API without permission', upstream('url: https://x.example, scopes: [^api://orders]'), /names an API and no permission/],
]

const transport: Row[] = [
  ['tokens over http', upstream('url: ^http://x.example, scopes: [User.Read]'), /access tokens unencrypted/],
  ['tokens over http because of a route', configText({
    upstreams: 'upstreams: { app: { url: ^http://app.example } }', routes: 'routes: [{ path: /*, upstream: app, scopes: [User.Read] }]'
  }), /access tokens unencrypted/],
  ['certificates not verified', upstream('url: https://x.example, ^rejectUnauthorized: false'), /rejectUnauthorized is not a key here/]
]

const routes: Row[] = [
  ['a path without slash', path('api'), /must begin with \//],
  ['a pattern', path('/api/:id(\\d+)').replace('^/api/:id(\\d+)', '^"/api/:id(\\\\d+)"'), /must be literal/],
  ['a regular expression', path('"/api/[a-z]+"'), /must be literal/],
  ['a star in the middle', path('/a/*/b'), /must be literal/],
  ['a star without slash', path('/a*'), /segment of its own/],
  ['an escape', path('/a%20b'), /must be literal/],
  ['a path parameter', path('/a;b'), /must be literal/],
  ['two slashes', path('/a//b'), /must not contain \/\//],
  ['two slashes before the star', path('/a//*'), /must not contain \/\//],
  ['a dot segment', path('/a/../b'), /segments \. and \.\./],
  ["the gateway's own path", path('/.auth/me'), /belong to the gateway/],
  ["the gateway's own path in capitals", path('/.AUTH/*'), /belong to the gateway/],
  ['a query', path('/a?b=c'), /must be literal/],
  ['a rewrite with a star', route('rewrite: ^/a/*'), /must be literal/],
  ['a rewrite without slash', route('rewrite: ^a'), /must begin with \//],
  ['a host with a port', route('hosts: [^"a.example:8080"]'), /host name without scheme, port/],
  ['a wildcard host', route('hosts: [^"*.example"]'), /wildcard/],
  ['a method in small letters', route('methods: [^get]'), /must be one of DELETE, GET/],
  ['origins without websocket', route('allowedOrigins: ^[https://a.example]'), /no meaning without websocket/],
  ['an origin with a path', route('websocket: true, allowedOrigins: [^https://a.example/]'), /as browsers send it/],
  ['an origin with its default port', route('websocket: true, allowedOrigins: [^https://a.example:443]'), /as browsers send it/],
  ['the origin null', route('websocket: true, allowedOrigins: [^"null"]'), /as browsers send it/],
  ['a wildcard origin', route('websocket: true, allowedOrigins: [^"*"]'), /as browsers send it/],
  ['websocket without GET', route('methods: [POST], websocket: ^true'), /needs GET/],
  ['TRACE', route('methods: [^TRACE]'), /must be one of DELETE, GET/],
  ['a method twice', route('methods: ^[GET, GET]'), /same entry twice/],
  ['an unknown upstream', withRoutes('{ path: /*, upstream: ^ap }'), /"ap", which is not among the upstreams: did you mean app\?/],
]

const routeTokens: Row[] = [
  ['two resources in a route', route('scopes: ^[api://a/X, api://b/Y]'), /mix "api:\/\/a" and "api:\/\/b"/],
]

const routeRules: Row[] = [
  ['a token without scopes', route('token: ^user'), /needs scopes/],
  ['a token on behalf of users without scopes', route('token: ^onBehalfOf'), /needs scopes/],
  ['an app token without scopes', route('token: ^app'), /needs \{resource\}\/\.default/],
  ['an app token for one permission', route('token: ^app, scopes: [api://orders/Orders.Read]'), /needs \{resource\}\/\.default/],
  ['an app token for .default without an API', route('token: ^app, scopes: [.default]'), /needs \{resource\}\/\.default/],
  ['an app token for .default and a scope of OpenID Connect', route('token: ^app, scopes: [api://orders/.default, openid]'), /needs \{resource\}\/\.default/],
  ['an app token for what the upstream gives to users', configText({
    upstreams: 'upstreams: { app: { url: https://app.example, scopes: [User.Read] } }', routes: 'routes: [{ path: /*, upstream: app, token: ^app }]'
  }), /needs \{resource\}\/\.default/],
  ...['organizations', 'common'].map((tenantId): Row => [`an app token and tenant ${tenantId}`, configText({
    entra: `entra: { tenantId: ${tenantId}, allowedTenants: [${TENANT}], clientId: ${CLIENT}, clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${SECRET}" }] }`,
    routes: 'routes: [{ path: /*, upstream: app, token: ^app, scopes: [api://orders/.default] }]'
  }), /app needs one tenant/]),
  ['a capability that there is not', entra(`tenantId: ${TENANT}, clientCapabilities: [^cp2]`), /cp1/],
  ['cp1 and a token route that passes challenges on', configText({
    entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, clientCapabilities: [cp1], clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${SECRET}" }] }`,
    upstreams: 'upstreams: { app: { url: https://app.example, scopes: [User.Read] } }',
    routes: 'routes: [{ path: /a, upstream: app, claimsChallenge: ^passthrough }, { path: /b, upstream: app, scopes: [], claimsChallenge: passthrough }]'
  }), /contradicts entra.clientCapabilities/],
  ['another word for a challenge', route('claimsChallenge: ^ignore'), /handle, passthrough/],
  ['scopes and no token', route('token: ^none, scopes: [User.Read]'), /contradicts/],
  ['scopes on a public route', route('access: public, scopes: ^[User.Read]'), /no place on a public route/],
  ['a token on a public route', configText({
    upstreams: 'upstreams: { app: { url: https://app.example, scopes: [User.Read] } }', routes: 'routes: [{ path: /*, upstream: app, access: public, token: ^user }]'
  }), /no place on a public route/],
  ['an app token on a public route', configText({
    upstreams: 'upstreams: { app: { url: https://app.example, scopes: [api://orders/.default] } }', routes: 'routes: [{ path: /*, upstream: app, access: public, token: ^app }]'
  }), /no place on a public route/],
  ['allow on a public route', route('access: public, allow: ^{ roles: [a] }'), /no place on a public route/],
  ['deny on a public route', route('access: public, deny: ^{ roles: [a] }'), /no place on a public route/],
  ['an authentication context on a public route', route('access: public, requireAuthContext: ^c1'), /no place on a public route/],
  ['identity on a public route', route('access: public, identityHeaders: ^easyauth'), /no place on a public route/],
  ['an empty rule', route('allow: ^{}'), /at least one entry/],
  ['an authentication context that is none', route('requireAuthContext: ^c0'), /authentication context: c1 to c99/],
  ['two authentication contexts', route('requireAuthContext: ^[c1, c2]'), /must be a text/],
  ['a user by name', route('allow: { users: [^me@contoso.com] }'), /tenant ID\/object ID/],
  ['an unknown preset', route('identityHeaders: ^nginx'), /must be one of none, standard, easyauth, oauth2-proxy/],
  ['an identity header of the gateway', route('identityHeaders: { ^Cookie: oid }'), /Cookie must not be changed here/],
  ['a header of the gateway', route('requestHeaders: { set: { ^Authorization: x } }'), /must not be changed here/],
  ['the same in another spelling', route('requestHeaders: { set: { ^X_MS_CLIENT_PRINCIPAL: x } }'), /must not be changed here/],
  ['a hop-by-hop header', route('responseHeaders: { remove: [^Transfer-Encoding] }'), /must not be changed here/],
  ['a header name that is none', route('requestHeaders: { set: { ^"X A": x } }'), /name of a header field/],
  ['a header value with a line break', route('requestHeaders: { set: { X-A: ^"a\\r\\nB: c" } }'), /printable ASCII/],
  ['a header twice', route('requestHeaders: { set: { X-A: a }, remove: [^x-a] }'), /second time/],
]

const routePairs: Row[] = [
  ['equal routes', withRoutes('{ path: /a, upstream: app }', '{ path: ^/a, upstream: app }'), /as good a match as the route in line 6 for every method/],
  ['routes with a common method', withRoutes('{ path: /a, methods: [GET], upstream: app }', '{ path: ^/a, methods: [POST, HEAD], upstream: app }'), /line 6 for HEAD/],
  ['routes with a common host', withRoutes('{ path: /a, hosts: [a.example, B.example], upstream: app }', '{ path: ^/a, hosts: [b.example], upstream: app }'), /line 6 for every method/],
  ['a shadowed route', withRoutes(
    '{ path: /a, methods: [DELETE, GET, OPTIONS, PATCH, POST, PUT], upstream: app }',
    '{ path: /a, methods: [COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, REPORT, SEARCH, UNLOCK], upstream: app }',
    '{ path: ^/a, upstream: app }'), /never matches/],
  ['too many hosts', configText({ routes: `routes: ^[{ path: /*, upstream: app, hosts: [${Array.from({ length: 31 }, (_, i) => `h${i}.example`).join(', ')}] }]` }), /more than 30/]
]

/** By what the titles of the rows begin with. */
const tables: Readonly<Record<string, readonly Row[]>> = {
  'C9.1 refuses': [...yaml, ...shapes],
  'C9.2 refuses': routes,
  'C1.19, C9.2 refuses': routePairs,
  'C9.3 refuses': upstreams,
  'C9.4 refuses': transport,
  'C9.5 refuses': publicUrls,
  'C9.6 refuses': [...credentials, ...certificates, ...sessionAndKeys],
  'C9.7, CVE-2026-16732 refuses': proxies,
  'C9.8 refuses': [...tokens, ...routeTokens],
  'C9.9, CVE-2026-33433 refuses': unset,
  refuses: [...stores, ...serverAndEntra, ...routeRules]
}
const rows = Object.entries(tables).flatMap(([title, table]) => table.map(row => [title, ...row] as const))

for (const [title, what, marked, sentence, world] of rows) {
  t.test(`${title} ${what}`, async t => {
    const [before = '', ...after] = marked.split('^')
    const loaded = load(before + after.join(''), world)
    const lines = before.split('\n')

    t.equal(after.length, 1, 'the row has one mark')
    const problems = loaded.kind === 'problems' ? loaded.problems : []
    const mark = `${lines.length}:${lines.at(-1)!.length + 1}`
    t.same(problems.map(({ line, column }) => `${line}:${column}`), [mark], 'one problem, at the mark')
    t.match(problems[0]?.message, sentence)
  })
}
