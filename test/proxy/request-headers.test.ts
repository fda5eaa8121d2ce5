/** This file checks what an upstream sees of a request: never what only the gateway may say (security.md, H and C2). */
import t from 'tap'
import type { CompiledRoute } from '../../src/config/compile.ts'
import { createPeers } from '../../src/proxy/peers.ts'
import { type Injected, requestHeaderWriter } from '../../src/proxy/request-headers.ts'
import { ownCookie, pairs, requestWith, routeOf, valuesOf } from './support.ts'

const requestId = '0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1'
const oid = '33333333-3333-4333-8333-333333333333'

interface Setting {
  readonly route?: CompiledRoute
  readonly trusted?: readonly string[]
  readonly identityNames?: readonly string[]
  readonly publicUrl?: string
}

function writer ({ route = routeOf(), trusted = [], identityNames = [], publicUrl = 'https://portal.contoso.com' }: Setting = {}) {
  const write = requestHeaderWriter(route, {
    publicUrl: new URL(publicUrl),
    isOwnCookie: ownCookie,
    identityNames: new Set(identityNames),
    peerOf: createPeers(address => trusted.includes(address))
  })
  return (fields: ReadonlyArray<readonly [string, string]>, injected: Partial<Injected> = {}, peer?: string): string[] =>
    write(requestWith(fields, peer), { claims: undefined, bearer: undefined, requestId, ...injected })
}

/** What every upstream gets of a request without fields. */
const always = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-request-id', 'traceparent', 'via']

/** A name in the spellings that some backend or parser takes for the same. */
function spellings (name: string): string[] {
  const title = name.replace(/(?:^|-)[a-z]/g, letter => letter.toUpperCase())
  const underscored = name.replaceAll('-', '_')
  return [...new Set([name, title, name.toUpperCase(), underscored, underscored.toUpperCase(), name.replace('-', '_'), name.replace(/-([^-]*)$/, '_$1')])]
}

const owned: Readonly<Record<string, readonly string[]>> = {
  'credentials and identity': [
    'authorization', 'remote-user', 'x-forwarded-user', 'x-forwarded-email', 'x-forwarded-groups', 'x-forwarded-preferred-username',
    'x-forwarded-access-token', 'x-auth-request-user', 'x-auth-request-email', 'x-auth-request-groups', 'x-auth-request-preferred-username',
    'x-auth-request-access-token', 'x-ms-client-principal', 'x-ms-client-principal-id', 'x-ms-client-principal-name', 'x-ms-client-principal-idp',
    'x-ms-token-aad-access-token', 'x-ms-token-aad-id-token'
  ],
  forwarding: [
    'forwarded', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-uri', 'x-forwarded-prefix', 'x-forwarded-path',
    'x-forwarded-server', 'x-original-url', 'x-original-method', 'x-original-host', 'x-rewrite-url', 'host', 'x-request-id', 'scopegate', 'scopegate-error'
  ],
  'hop by hop': [
    'connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade',
    'http2-settings', 'expect', 'proxy-status'
  ]
}

for (const [kind, names] of Object.entries(owned)) {
  t.test(`a client's fields of ${kind} reach no upstream in any spelling`, async t => {
    for (const write of [writer(), writer({ route: routeOf('access: public') }), writer({ route: routeOf('identityHeaders: standard') })]) {
      for (const name of names.flatMap(spellings)) {
        const list = write([[name, 'evil'], ['X-Last', 'kept']])
        t.notMatch(list.join('\n'), 'evil', name)
        t.same(valuesOf(list, 'x-last'), ['kept'])
      }
    }
  })
}

t.test('every name with an underscore is dropped: many backends read it as a dash', async t => {
  for (const name of ['x_custom', '_', 'a_b', 'X_FORWARDED_USER', 'x__forwarded-user', 'content_length', 'cookie_', '__proto__']) {
    t.same(pairs(writer()([[name, 'evil']])).map(([one]) => one), always, name)
  }
})

t.test('everything else of the client goes on byte for byte, in order, repeated or not', async t => {
  const fields: Array<[string, string]> = [
    ['Accept', 'text/html;q=0.9, */*'], ['ACCEPT-ENCODING', 'gzip, br'], ['User-Agent', 'kube-probe/1.29'], ['X-Custom', 'a'], ['x-custom', 'b'],
    ['Content-Type', 'garbage'], ['Content-Length', '5'], ['Range', 'bytes=0-0'], ['If-None-Match', '"x"'], ['Origin', 'https://portal.contoso.com'],
    ['Referer', 'https://portal.contoso.com/a?b'], ['Sec-Fetch-Site', 'same-origin'], ['x-forwarded', 'no dash, no family'], ['xforwarded-user', 'x'],
    ['constructor', 'c'], ['toString', 't'], ['X-8-Bit', '\xe4\xff'], ['X-Tab', 'a\tb'], ['X-Empty', '']
  ]
  t.same(writer()(fields).slice(0, fields.length * 2), fields.flat())
})

t.test('a field that Connection nominates ends here, however it is written', async t => {
  const fields: Array<[string, string]> = [['X-Hop', 'evil'], ['x-hop', 'evil'], ['X-Kept', 'kept']]
  for (const connection of ['x-hop', 'X-HOP', 'close, X-Hop', 'X-Hop,close', ' , x-hop ,, ', 'keep-alive, x-hop', 'x-other, x-hop']) {
    const list = writer()([['Connection', connection], ...fields])
    t.notMatch(list.join('\n'), 'evil', connection)
    t.same(valuesOf(list, 'x-kept'), ['kept'])
  }
  t.notMatch(writer()([['Connection', 'close'], ['connection', 'x-hop'], ...fields]).join('\n'), 'evil', 'in a second field')
  t.same(valuesOf(writer()([['Connection', 'keep-alive'], ...fields]), 'x-hop'), ['evil', 'evil'], 'what is not nominated stays')
})

t.test('a nomination takes away nothing that the gateway sets nor what frames the message (CVE-2026-33805)', async t => {
  const write = writer({ route: routeOf('identityHeaders: standard, requestHeaders: { set: { X-Tenant: ours } }') })
  const names = [...always, 'authorization', 'x-forwarded-user', 'x-tenant', 'content-length', 'Authorization', 'AUTHORIZATION', 'VIA']
  for (const name of names) {
    const list = write([['Connection', `close, ${name}`], ['Content-Length', '5'], ['Via', '1.0 front'], ['X-Tenant', 'evil']],
      { bearer: 'Bearer ours', claims: { oid } })
    t.same(valuesOf(list, 'authorization'), ['Bearer ours'], name)
    t.same(valuesOf(list, 'x-forwarded-user'), [oid], name)
    t.same(valuesOf(list, 'x-tenant'), ['ours'], name)
    t.same(valuesOf(list, 'content-length'), ['5'], name)
    for (const one of always) t.equal(valuesOf(list, one).length, 1, `${one} with ${name} nominated`)
  }
})

t.test('what the gateway says stands once, whatever the client says', async t => {
  const write = writer({ route: routeOf('identityHeaders: easyauth') })
  const forged = ['Authorization', 'authorization', 'AUTHORIZATION', 'X-MS-CLIENT-PRINCIPAL-ID', 'x-ms-client-principal-id', 'X-Request-Id', 'X-Forwarded-Host']
  const list = write(forged.map(name => [name, 'evil']), { bearer: 'Bearer ours', claims: { oid } })
  t.notMatch(list.join('\n'), 'evil')
  t.same(valuesOf(list, 'authorization'), ['Bearer ours'])
  t.same(valuesOf(list, 'x-ms-client-principal-id'), [oid])
  t.same(valuesOf(list, 'x-request-id'), [requestId])
})

t.test('without a token the upstream gets no Authorization, and without a user no identity', async t => {
  const list = writer({ route: routeOf('identityHeaders: standard, access: optional') })([['Authorization', 'Bearer evil'], ['X-Forwarded-User', 'evil']])
  t.same(pairs(list).map(([name]) => name), always)
})

t.test('a name that some route\'s identity map sets is removed on every route', async t => {
  const write = writer({ identityNames: ['x-user-name'] })
  for (const name of ['X-User-Name', 'x-user-name', 'X-USER-NAME', 'x_user_name']) t.notMatch(write([[name, 'evil']]).join('\n'), 'evil', name)
})

t.test('the gateway\'s cookies stay here, the application\'s go on', async t => {
  const write = writer()
  const cases: Array<[cookie: string, kept: string[]]> = [
    ['__Host-scopegate=secret', []],
    ['a=1; __Host-scopegate=secret; b=2', ['a=1; b=2']],
    ['__Host-scopegate.t.12345678=secret; a=1', ['a=1']],
    ['__host-SCOPEGATE=secret; scopegate=secret; __Secure-scopegate=secret', []],
    ['a=1', ['a=1']]
  ]
  for (const [cookie, kept] of cases) {
    for (const name of ['Cookie', 'cookie', 'COOKIE']) t.same(valuesOf(write([[name, cookie]]), 'cookie'), kept, `${name}: ${cookie}`)
  }
})

t.test('X-Forwarded-For is the peer\'s address, and the chain before it only from a trusted proxy', async t => {
  const write = writer({ trusted: ['10.0.0.1', '::1'] })
  const chain: Array<[string, string]> = [['X-Forwarded-For', '1.2.3.4'], ['x-forwarded-for', '5.6.7.8, 9.9.9.9']]
  t.same(valuesOf(write(chain, {}, '192.0.2.7'), 'x-forwarded-for'), ['192.0.2.7'])
  t.same(valuesOf(write(chain, {}, '10.0.0.1'), 'x-forwarded-for'), ['1.2.3.4, 5.6.7.8, 9.9.9.9, 10.0.0.1'])
  t.same(valuesOf(write([], {}, '10.0.0.1'), 'x-forwarded-for'), ['10.0.0.1'])
  t.same(valuesOf(write(chain, {}, '::ffff:10.0.0.1'), 'x-forwarded-for'), ['1.2.3.4, 5.6.7.8, 9.9.9.9, 10.0.0.1'], 'on a dual-stack socket')
  t.same(valuesOf(write([['X_Forwarded_For', '6.6.6.6']], {}, '10.0.0.1'), 'x-forwarded-for'), ['10.0.0.1'])
})

t.test('host and scheme are those of the public URL alone', async t => {
  const forged: Array<[string, string]> = [['Host', 'evil'], ['X-Forwarded-Host', 'evil'], ['X-Forwarded-Proto', 'http'], ['Forwarded', 'host=evil;proto=http']]
  const list = writer({ publicUrl: 'https://portal.contoso.com:8443', trusted: ['192.0.2.7'] })(forged)
  t.same(valuesOf(list, 'x-forwarded-host'), ['portal.contoso.com:8443'])
  t.same(valuesOf(list, 'x-forwarded-proto'), ['https'])
  t.same(valuesOf(list, 'host'), [], 'the dispatcher sets the upstream\'s own')
})

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** The address of {@link requestWith}, unless it is told another. */
const behindProxy = { trusted: ['192.0.2.7'] }

t.test('a trace context of a trusted proxy goes on when it is well formed, otherwise one begins here', async t => {
  const write = writer(behindProxy)
  t.same(valuesOf(write([['traceparent', trace]]), 'traceparent'), [trace])
  t.same(valuesOf(write([['TraceParent', trace]]), 'traceparent'), [trace])
  for (const wrong of [
    '', 'x', trace.toUpperCase(), trace.slice(1), `${trace}0`, ` ${trace}`, `${trace}-x`, `01${trace.slice(2)}x`, `ff${trace.slice(2)}`, '"><script>',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', 'a'.repeat(16_000), `${trace}\xe4`
  ]) {
    const [own, ...more] = valuesOf(write([['traceparent', wrong]]), 'traceparent')
    t.match(own, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/, wrong.slice(0, 60))
    t.same(more, [])
    t.match(own, requestId.replaceAll('-', ''), 'it can be found by the request id')
  }
})

t.test('of a later version the part that is known goes on (W3C Trace Context, 3.2.4)', async t => {
  const write = writer(behindProxy)
  for (const later of [`01${trace.slice(2)}`, `cc${trace.slice(2)}-what-the-future-will-be-like`, `fe${trace.slice(2)}-`]) {
    t.same(valuesOf(write([['traceparent', later]]), 'traceparent'), [trace], later)
  }
})

t.test('two trace contexts are none', async t => {
  const list = writer(behindProxy)([['traceparent', trace], ['Traceparent', trace], ['tracestate', 'a=1']])
  t.match(valuesOf(list, 'traceparent'), [requestId.replaceAll('-', '')])
  t.same(valuesOf(list, 'tracestate'), [])
})

t.test('a trace context of anybody else is replaced', async t => {
  const list = writer()([['traceparent', trace], ['tracestate', 'a=1']])
  t.match(valuesOf(list, 'traceparent'), [requestId.replaceAll('-', '')])
  t.same(valuesOf(list, 'tracestate'), [])
})

t.test('a trace that begins with a request id of somebody else is well formed, and new each time', async t => {
  const write = writer(behindProxy)
  for (const requestId of ['x', 'a'.repeat(128), '00000000-0000-0000-0000-000000000000', '0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1', '0f1e2d3c-4b5a-1978-8695-a4b3c2d1e0f1']) {
    const begun = [write([], { requestId }), write([], { requestId })].map(list => valuesOf(list, 'traceparent')[0])
    for (const one of begun) t.match(one, /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/, requestId)
    t.not(begun[0], begun[1], requestId)
  }
})

t.test('tracestate goes with the traceparent that it belongs to, and not without (W3C Trace Context, 3.3)', async t => {
  const write = writer(behindProxy)
  t.same(valuesOf(write([['traceparent', trace], ['tracestate', 'a=1']]), 'tracestate'), ['a=1'])
  t.same(valuesOf(write([['tracestate', 'a=1'], ['traceparent', trace], ['Tracestate', 'b=2']]), 'tracestate'), ['a=1,b=2'])
  t.same(valuesOf(write([['traceparent', trace], ['tracestate', 'a'.repeat(513)]]), 'tracestate'), [])
  t.same(valuesOf(write([['traceparent', 'broken'], ['tracestate', 'a=1']]), 'tracestate'), [])
  t.same(valuesOf(write([['tracestate', 'a=1']]), 'tracestate'), [])
})

t.test('Via names every hop, ours last', async t => {
  t.same(valuesOf(writer()([]), 'via'), ['1.1 scopegate'])
  t.same(valuesOf(writer()([['Via', '1.0 front']]), 'via'), ['1.0 front, 1.1 scopegate'])
  t.same(valuesOf(writer()([['Via', '1.0 a'], ['via', '1.1 b']]), 'via'), ['1.0 a, 1.1 b, 1.1 scopegate'])
})

t.test('a route\'s own edits replace and remove, in any spelling', async t => {
  const write = writer({ route: routeOf('requestHeaders: { set: { X-Env: prod, X-New: "1" }, remove: [X-Debug, accept] }') })
  const list = write([['x-env', 'evil'], ['X-ENV', 'evil'], ['x-debug', 'evil'], ['X-Debug', 'evil'], ['Accept', 'evil'], ['Accept-Language', 'de']])
  t.notMatch(list.join('\n'), 'evil')
  t.same(valuesOf(list, 'x-env'), ['prod'])
  t.same(valuesOf(list, 'x-new'), ['1'])
  t.same(valuesOf(list, 'accept-language'), ['de'])
})

t.test('thousands of different names are decided as the first ones were', async t => {
  const write = writer()
  for (let i = 0; i < 3000; i++) write([[`X-Name-${i}`, '1']])
  t.notMatch(write([['Authorization', 'evil'], ['x-forwarded-user-3001', 'evil'], ['X_Late', 'evil']]).join('\n'), 'evil')
  t.same(valuesOf(write([['x-late', 'kept']]), 'x-late'), ['kept'])
})

t.test('requests with the same writer do not see each other', async t => {
  const write = writer({ ...behindProxy, route: routeOf('identityHeaders: standard') })
  write([['Cookie', 'a=1'], ['Via', '1.0 a'], ['traceparent', trace]], { bearer: 'Bearer alice', claims: { oid: 'alice' } })
  const list = write([])
  t.same(pairs(list).map(([name]) => name), always)
  t.notMatch(list.join('\n'), /alice|1\.0 a|0af7/)
})
