/** This file tests what a load does besides refusing single mistakes (bad-configs.test.ts). */
/* eslint-disable no-template-curly-in-string -- placeholders of the config, not of TypeScript */
import fc from 'fast-check'
import t from 'tap'
import { formatProblem, loadConfig } from '../../src/config/load.ts'
import { CA, CLIENT, configText, FILE, load, mustLoad, TENANT, withRoutes, type World } from './support.ts'

const KEY = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='

const PIECES = ['version: 1', 'server:', 'routes:', ' - ', '  ', '\n', ': ', '{', '}', '[', ']', '"', "'", '&a ', '*a', '!!x ', '${A}', '${file:b}', '|',
  '>', '#', '? ', '%YAML 1.1', '---', '...', '<<: ', 'path: /a', 'upstream: app', '\t', '\u0000', '\ud800', 'é', '__proto__: ', '1e3', 'null', '~', 'no']
const KEYS = ['version', 'server', 'limits', 'entra', 'tenantId', 'allowedTenants', 'clientCredentials', 'sourceType', 'session', 'cookie', 'keys', 'file',
  'upstreams', 'app', 'url', 'scopes', 'routes', 'path', 'hosts', 'methods', 'upstream', 'allow', 'requestHeaders', 'set', 'remove']

function printed (text: string, world?: World): string[] {
  const loaded = load(text, world)
  return loaded.kind === 'problems' ? loaded.problems.map(formatProblem) : []
}

t.test('a short config gets every default', async t => {
  const config = mustLoad(configText())
  t.same(config.server, {
    publicUrl: 'https://portal.contoso.com',
    host: '0.0.0.0',
    port: 8080,
    trustedProxies: [],
    workers: 1,
    limits: {
      maxBodyBytes: 10_485_760,
      maxHeaderBytes: 16_384,
      headersTimeoutSeconds: 15,
      requestTimeoutSeconds: 60,
      maxConnections: 10_000,
      maxStallSeconds: 1,
      signInsPerMinute: 30,
      signOutsPerMinute: 60,
      invalidCookiesPerMinute: 300,
      drainDelaySeconds: 5,
      drainSeconds: 25
    }
  })
  t.same(config.session, { idleSeconds: 3600, absoluteSeconds: 28_800, cookie: { name: 'scopegate', sameSite: 'lax' } })
  t.same(config.store, { type: 'memory' })
  t.same(config.upstreams.app, {
    url: 'https://app.example', scopes: [], timeouts: { connectSeconds: 3, headersSeconds: 30, bodySeconds: 60 }, allowHttpTokens: false
  })
  t.same(config.routes[0], {
    path: '/*',
    upstream: 'app',
    access: 'authenticated',
    unauthenticated: 'auto',
    claimsChallenge: 'handle',
    identityHeaders: 'none',
    websocket: false,
    maxMessageBytes: 1_048_576,
    streaming: false,
    allowEncodedSlash: false,
    csrf: 'strict'
  })
})

t.test('all problems are told at once, in the order of the file', async t => {
  const problems = printed(`version: 1
servr: {}
server: { publicUrl: http://portal.contoso.com, port: "80" }
entra: { tenantId: common, clientId: nobody, clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${NOWHERE}" }] }
session: { idleSeconds: 7200, absoluteSeconds: 3600 }
upstreams: { app: { url: http://app.example, scopes: [User.Read], caFile: ca.pem } }
routes:
  - { path: /a, upstream: app, access: public, scopes: [User.Read] }
  - { path: /a, upstream: apps }
`)
  t.same(problems, [
    `${FILE}:2:1 servr is not a key here: did you mean server?`,
    `${FILE}:3:22 publicUrl must begin with https://: cookies and tokens need it; http is for localhost only`,
    `${FILE}:3:55 port must be a whole number, without quotes`,
    `${FILE}:4:1 allowedTenants must list the GUIDs of the tenants to let in: with tenantId common everybody at Microsoft could sign in`,
    `${FILE}:4:38 clientId must be a GUID, such as 72f988bf-86f1-41af-91ab-2d7cd011db47`,
    `${FILE}:4:108 clientSecret refers to the variable NOWHERE, which is not set`,
    `${FILE}:5:25 idleSeconds must not be more than absoluteSeconds, which ends the session anyway`,
    `${FILE}:6:26 url would get access tokens unencrypted: use https, or set allowHttpTokens: true if the network is protected otherwise`,
    `${FILE}:6:75 caFile names a file that cannot be read (ENOENT)`,
    `${FILE}:8:56 scopes has no place on a public route, which knows no user and gets no token: remove it, or change access`,
    `${FILE}:9:13 path is as good a match as the route in line 8 for every method: change path, hosts or methods of one`,
    `${FILE}:9:27 upstream is "apps", which is not among the upstreams: did you mean app?`
  ])
})

t.test('a config that is not there is a problem, not an exception', async t => {
  const loaded = loadConfig({ file: '/nowhere/gateway.yaml', env: {} })
  t.match(loaded, { kind: 'problems', problems: [{ file: '/nowhere/gateway.yaml', line: 1, column: 1, message: 'cannot be read (ENOENT)' }] })
})

t.test('placeholders are replaced in values', async t => {
  const files = { '/run/secrets/a': 'from a file\n', '/etc/scopegate/b': 'relative\r\n', '/run/secrets/c': 'two\n\n' }
  const env = { A: 'one', B: 'two', EMPTY: '', ODD: '${A} "quoted" # : {' }
  const table: [written: string, got: string][] = [
    ['${A}', 'one'],
    ['x${A}y${B}z', 'xoneytwoz'],
    ['${A:-other}', 'one'],
    ['${NOWHERE:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${NOWHERE:-a b:c-d}', 'a b:c-d'],
    ['${file:/run/secrets/a}', 'from a file'],
    ['${file:b}', 'relative'],
    ['$A and {A} and $', '$A and {A} and $'],
    ['<${ODD}>', '<${A} "quoted" # : {>']
  ]
  for (const [written, got] of table) {
    const config = mustLoad(withRoutes(`{ path: /*, upstream: app, requestHeaders: { set: { X-A: '${written}' } } }`), { env, files })
    t.equal(config.routes[0]!.requestHeaders!.set!['X-A'], got, written)
  }
  t.match(printed(withRoutes("{ path: /*, upstream: app, requestHeaders: { set: { X-A: '${file:/run/secrets/c}' } } }"), { env, files })[0],
    /printable ASCII/, 'only one newline is dropped')
  t.match(printed(configText({ upstreams: 'upstreams: { "${A}": { url: https://app.example }, app: { url: https://app.example } }' }), { env })[0],
    /name of letters/, 'keys are not substituted')
  t.match(printed(configText({ server: 'server: { publicUrl: "${constructor}" }' }))[0], /variable constructor, which is not set/)
})

t.test('C9.6 no problem shows a secret', async t => {
  const canary = 'canary4f9a'
  const texts = [
    configText({ entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, clientCredentials: [{ sourceType: ClientSecret, clientSecret: [${canary}] }] }` }),
    configText({ entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, clientCredentials: [{ sourceType: ClientSecret, clientSecret:${canary} }] }` }),
    configText({ entra: `entra: { clientCredentials: [{ sourceType: Base64Encoded, base64EncodedValue: "${canary}!", certificatePassword: { a: ${canary} } }] }` }),
    configText({ entra: `entra:\n  clientCredentials:\n    - sourceType: ClientSecret\n      clientSecret: "${canary}\n  x` }),
    configText({ entra: `entra:\n  clientSecret:${canary}\n` }),
    configText({ entra: `entra: !${canary} { a: *${canary}, b: "\\q${canary}" }` }),
    configText({ more: `keys: [{ id: a, key: ${canary} }, { id: a, key: "${KEY}" }]` }),
    configText({ more: 'keys: { file: "/run/${CANARY}/keys" }' }),
    withRoutes('{ path: "${CANARY}", upstream: "${CANARY}", scopes: ["api://${CANARY}/a", "api://b/${CANARY}"], access: "${CANARY}" }'),
    withRoutes('{ path: /*, upstream: "${CANARY}" }'),
    withRoutes('{ path: /*, upstream: app, scopes: ["api://${CANARY}/a", "api://b/${CANARY}"] }'),
    configText({ server: 'server: { publicUrl: "https://${CANARY}/", host: "${file:/${CANARY}}", port: "${CANARY}" }' })
  ]
  for (const text of texts) {
    const loaded = load(text, { env: { CANARY: canary }, files: { [`/run/${canary}/keys`]: '- { id: a, key: x }' } })
    t.equal(loaded.kind, 'problems')
    t.notMatch(JSON.stringify(loaded), canary)
  }
})

t.test('the key ring is inline or in a file, and the file has its own positions', async t => {
  const ring = [{ id: 'k2', key: KEY }, { id: 'k1', key: KEY }]
  const yaml = `- { id: k2, key: "${KEY}" }\n- { id: k1, key: "\${K1}" }\n`
  const inFile = { files: { '/run/keys.yaml': yaml }, env: { K1: KEY } }
  t.same(mustLoad(configText({ more: `keys: [{ id: k2, key: "${KEY}" }, { id: k1, key: "${KEY}" }]` })).keys, ring)
  t.same(mustLoad(configText({ more: 'keys: { file: /run/keys.yaml }' }), inFile).keys, ring)
  t.equal(mustLoad(configText()).keys, undefined)

  t.same(printed(configText({ more: 'keys: { file: /run/keys.yaml }' }), { files: { '/run/keys.yaml': `- { id: a, key: short }\n- { id: b, key: "${KEY}" }\n- { id: b, key: "${KEY}" }\n` } }), [
    '/run/keys.yaml:1:17 key must be at least 32 random bytes as base64, base64url or hex, as made by: openssl rand -base64 32',
    '/run/keys.yaml:3:9 id is the id of the key in line 2, too: give each key its own'
  ])
  t.same(printed(configText({ more: 'keys: { file: /run/keys.yaml }' }), { files: { '/run/keys.yaml': '' } }), ['/run/keys.yaml:1:1 the file is empty'])
})

t.test('file names become absolute, and every file is told', async t => {
  const ca = { '/etc/scopegate/tls/ca.pem': CA, '/run/token': 'assertion', '/run/secret': 'a secret from a file', '/run/keys.yaml': `- { id: a, key: "${KEY}" }` }
  const loaded = load(configText({
    entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, caFile: tls/ca.pem, clientCredentials: [
      { sourceType: SignedAssertionFilePath }, { sourceType: SignedAssertionFilePath, signedAssertionFileDiskPath: ../../run/token },
      { sourceType: ClientSecret, clientSecret: "\${file:/run/secret}" }] }`,
    more: 'keys: { file: /run/keys.yaml }'
  }), { files: ca, env: { AZURE_FEDERATED_TOKEN_FILE: '/run/token' } })
  if (loaded.kind !== 'config') throw new Error(loaded.problems.map(formatProblem).join('\n'))
  t.equal(loaded.config.entra.caFile, '/etc/scopegate/tls/ca.pem')
  t.same(loaded.config.entra.clientCredentials, [
    { sourceType: 'SignedAssertionFilePath', signedAssertionFileDiskPath: '/run/token' },
    { sourceType: 'SignedAssertionFilePath', signedAssertionFileDiskPath: '/run/token' },
    { sourceType: 'ClientSecret', clientSecret: 'a secret from a file' }
  ])
  t.same([...loaded.files.keys()].sort(), ['/etc/scopegate/gateway.yaml', '/etc/scopegate/tls/ca.pem', '/run/keys.yaml', '/run/secret'],
    'but the assertion, which is read again whenever it is used')
})

t.test('C9.6 a client certificate in PEM form is looked at', async t => {
  const text = configText({ entra: `entra: { tenantId: ${TENANT}, clientId: ${CLIENT}, clientCredentials: [{ sourceType: Path, certificateDiskPath: c.pem }] }` })
  const key = '-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n'
  const world = (pem: string, now: string) => ({ files: { '/etc/scopegate/c.pem': pem }, now: Date.parse(now) })
  t.same(printed(text, world(CA + key, '2026-01-01')), [])
  t.match(printed(text, world(CA + key, '2200-01-01'))[0], /has expired/)
  t.match(printed(text, world(CA, '2026-01-01'))[0], /no private key/)
  t.same(printed(text, world('\u0000PFX', '2026-01-01')), [], 'a PFX is opened when it is used')
})

t.test('a config is frozen to its leaves', async t => {
  const check = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    t.ok(Object.isFrozen(value))
    Object.values(value).forEach(check)
  }
  check(mustLoad(withRoutes('{ path: /*, upstream: app, allow: { roles: [a] }, requestHeaders: { set: { X-A: b } } }')))
})

t.test('what is meant to be accepted is accepted', async t => {
  const route = (text: string) => withRoutes(`{ upstream: app, path: /*, ${text} }`)
  const good = [
    configText({ server: 'server: { publicUrl: http://localhost:8080, trustedProxies: [10.0.0.0/8, 192.168.1.1, "fd00::/8", "::1"] }' }),
    configText({ server: 'server: { publicUrl: "http://[::1]:8080", port: 0 }' }),
    configText({ upstreams: 'upstreams: { app: { url: http://127.0.0.1:3000, scopes: [User.Read, https://graph.microsoft.com/Mail.Read, openid] } }' }),
    configText({ upstreams: 'upstreams: { app: { url: http://app.example/base/, scopes: [api://orders/.default, email], allowHttpTokens: true } }' }),
    configText({ upstreams: 'upstreams: { app: { url: https://app.example, scopes: [https://management.azure.com//.default] } }' }),
    withRoutes('{ path: /api/*, methods: [POST], upstream: app }', '{ path: /api/*, upstream: app }', '{ path: /api, upstream: app }'),
    withRoutes('{ path: /a, hosts: [a.example], upstream: app }', '{ path: /a, hosts: [b.example], upstream: app }', '{ path: /a, upstream: app }'),
    withRoutes("{ path: \"/a-b._~!$&'+,=@:c/*\", upstream: app }"),
    route('access: public, scopes: []'), route('token: none'), route('identityHeaders: { X-Forwarded-User: preferred_username }'),
    route('unauthenticated: "401"'), route('allow: { claims: { acct: ["0"] }, users: ["72f988bf-86f1-41af-91ab-2d7cd011db47/2ec40e65-ba09-4853-bcde-bcb60029e596"] }'),
    withRoutes('{ path: /a, upstream: &name app, allow: &staff { roles: [a] } }', '{ path: /b, upstream: *name, allow: *staff }')
  ]
  for (const text of good) t.same(printed(text), [], text)
})

t.test('nothing that is put into it makes it throw', async t => {
  const config = withRoutes('{ path: /*, upstream: app }')
  const noise = fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 5 })), { maxLength: 40 }).map(parts => parts.join(''))
  const noisy = fc.tuple(noise, fc.nat(config.length)).map(([text, at]) => config.slice(0, at) + text + config.slice(at))
  const { tree } = fc.letrec(tie => ({
    tree: fc.oneof({ depthSize: 'small' }, fc.constantFrom<unknown>(1, 'Path', 'app', '/a/*', '${A}', '${NO}', true, null, ''),
      fc.array(tie('tree'), { maxLength: 3 }), fc.dictionary(fc.constantFrom(...KEYS), tie('tree'), { maxKeys: 6 }))
  }))
  const shaped = tree.map(value => JSON.stringify(value))

  fc.assert(fc.property(fc.oneof(noise, noisy, shaped), text => {
    const loaded = load(text, { env: { A: 'a' }, files: { '/etc/scopegate/b': 'b' } })
    return loaded.kind === 'config' || (loaded.problems.length > 0 && loaded.problems.every(({ line, column }) => line > 0 && column > 0))
  }), { numRuns: 1000 })
  t.pass()
})

t.test('C9.1 hostile YAML is refused, and neither ends the process nor takes minutes', async t => {
  const texts = [
    '['.repeat(500_000),
    '- '.repeat(500_000),
    '{a: '.repeat(200_000),
    '? '.repeat(500_000),
    `a: &a x\nb: [${'*a, '.repeat(50_000)}]`,
    Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join('\n'),
    `a: "${'${'.repeat(300_000)}"`,
    '"'.repeat(100_000),
    '\n'.repeat(1_000_000)
  ]
  for (const text of texts) t.equal(load(text).kind, 'problems', text.slice(0, 8))
})

t.test('a store whose packages are not installed is refused, with the line that installs them', async t => {
  const lines = {
    postgres: { block: '{ url: postgres://u@h/d }', line: 'npm install --save-prod @keyv/postgres pg' },
    mysql: { block: '{ url: mysql://u@h/d }', line: 'npm install --save-prod @keyv/mysql' },
    sqlite: { block: '{ file: s.db }', line: 'npm install --save-prod @keyv/sqlite' }
  }
  for (const [type, { block, line }] of Object.entries(lines)) {
    const text = configText({ more: `store: { type: ${type}, ${type}: ${block} }\nkeys: [{ id: k1, key: ${KEY} }]` })
    const options = { file: FILE, env: { SECRET: 'x7f-not-a-word' }, readFile: () => text }
    t.equal(loadConfig(options).kind, 'config', `${type} is installed here`)
    const loaded = loadConfig({ ...options, hasPackage: () => false })
    t.match(loaded.kind === 'problems' && loaded.problems.map(formatProblem), [new RegExp(`^${FILE}:6:.*${line}$`)])
  }
})
