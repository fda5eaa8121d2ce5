/**
 * X14: the stock path answers 500 with texts such as `connect ECONNREFUSED 127.0.0.1:1` or `self-signed certificate`. Ours
 * say a code and a request id; the cause is for the log.
 */
import t, { type Test } from 'tap'
import { createSelfSigned } from '../support/certificates.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { exchange, type RawAnswer } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const selfSigned = await startUpstream(t, { tls: createSelfSigned(['127.0.0.1']) })
const closed = await freePort()
const resets = await startRawUpstream(t, socket => { socket.resetAndDestroy() })
const nonsense = await startRawUpstream(t, socket => { socket.end('220 secret-banner ESMTP\r\n\r\n') })
const silent = await startRawUpstream(t, () => {})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: {
    app: { url: app.origin },
    orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] },
    closed: { url: `http://127.0.0.1:${closed}` },
    unresolved: { url: 'http://no-such-host.invalid:81' },
    selfsigned: { url: selfSigned.origin },
    plain: { url: app.origin.replace('http:', 'https:') },
    resets: { url: resets.origin },
    nonsense: { url: nonsense.origin },
    silent: { url: silent.origin, timeouts: { headersSeconds: 1 } }
  },
  routes: [
    ...['closed', 'unresolved', 'selfsigned', 'plain', 'resets', 'nonsense', 'silent'].map(name => ({ path: `/${name}/*`, upstream: name, access: 'public' })),
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/orders/*', upstream: 'orders' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})

/** What no answer may tell: addresses, ports, paths of this machine, texts of libraries, and the product names of these. */
const leaks = new RegExp([
  'ECONN', 'ENOTFOUND', 'EAI_AGAIN', 'EPROTO', 'UND_ERR', 'HPE_', 'ERR_', 'self[- ]signed', 'certificate', 'socket', 'getaddrinfo', 'hang up', 'parse error', 'timeout of', 'fastify', 'undici', 'node:', 'at .*\\.ts', 'node_modules', '\\.js:\\d',
  'stack', '127\\.0\\.0\\.1', `:${closed}`, `:${app.port}`, `:${silent.port}`, 'no-such-host', 'secret-banner', 'AADSTS', 'msal', 'correlation', 'invalid_grant', 'gw-secret', 'home/', 'tmp/'
].join('|'), 'i')

function checkOpaque (t: Test, answer: RawAnswer, code: string, status: number): void {
  t.equal(answer.status, status)
  t.equal(answer.header('scopegate-error'), code)
  const told = answer.fields.filter(([name]) => !['date', 'content-security-policy', 'set-cookie'].includes(name.toLowerCase())).flat().join('\n')
  t.notMatch(told, leaks, 'no field tells a cause')
  t.notMatch(answer.text(), leaks, 'nor does the body')
}

const faults: Record<string, readonly [code: string, status: number]> = {
  closed: ['SG_UPSTREAM_UNREACHABLE', 502],
  unresolved: ['SG_UPSTREAM_UNREACHABLE', 502],
  selfsigned: ['SG_UPSTREAM_TLS', 502],
  plain: ['SG_UPSTREAM_TLS', 502],
  resets: ['SG_UPSTREAM_UNREACHABLE', 502],
  nonsense: ['SG_UPSTREAM_UNREACHABLE', 502],
  silent: ['SG_UPSTREAM_TIMEOUT', 504]
}

for (const [name, [code, status]] of Object.entries(faults)) {
  t.test(`X14, C10.1 what is wrong with the upstream "${name}" is not told`, async t => {
    const problem = await exchange(t, gateway.port, { target: `/${name}/x` }, { deadlineMs: 10_000 })
    checkOpaque(t, problem, code, status)
    t.strictSame(Object.keys(problem.json()).sort(), ['code', 'requestId', 'status', 'title', 'type'])
    t.match(problem.json().requestId, /^[0-9a-f-]{36}$/)
    const page = await exchange(t, gateway.port, { target: `/${name}/x`, fields: [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document']] }, { deadlineMs: 10_000 })
    checkOpaque(t, page, code, status)
    t.match(page.text(), code)
  })
}

t.test('the log tells what the answer does not', async t => {
  t.match(gateway.logged(), /ECONNREFUSED/)
  t.match(gateway.logged(), /DEPTH_ZERO_SELF_SIGNED_CERT/)
})

t.test('other routes go on', async t => {
  t.equal((await exchange(t, gateway.port, { target: '/public/x' })).status, 200)
})

t.test('X14 what the provider says when a token is refused is not told', async t => {
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  t.equal((await exchange(t, gateway.port, { target: '/orders/x', cookie })).status, 200)
  for (const fault of [{ aadsts: 7000215 }, { status: 500, body: '<html>secret-banner AADSTS0 127.0.0.1</html>' }, { action: 'reset' }, { action: 'html' }, { status: 200, body: '{"secret-banner":' }] as const) {
    const other = await startGatewayWithoutToken(t)
    entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, times: 3, ...fault } as Parameters<typeof entra.admin.fault>[0])
    const answer = await exchange(t, other.port, { target: '/orders/x', cookie: other.cookie }, { deadlineMs: 9000 })
    entra.admin.clearFaults()
    t.ok([401, 502, 503].includes(answer.status), `${JSON.stringify(fault)}: ${answer.status}`)
    t.notMatch(answer.text(), leaks)
  }
})

/** A gateway that has to renew before its first token: none was asked for at sign-in. */
async function startGatewayWithoutToken (t: Test) {
  const fresh = await startGateway(t, {
    emulator: entra,
    upstreams: { orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/public/*', upstream: 'orders', access: 'public' }, { path: '/*', upstream: 'orders' }]
  })
  const { cookie } = await signIn(t, { url: fresh.url, entra, at: '/public/x' })
  return { port: fresh.port, cookie }
}

t.test('X14 what the provider says at the callback is not told', async t => {
  const browser = (await signIn(t, { url: gateway.url, entra, at: '/public/x' })).browser
  for (const fault of [{ aadsts: 7000215 }, { aadsts: 70008 }, { status: 500, body: 'secret-banner' }, { action: 'reset' }] as const) {
    entra.admin.fault({ endpoint: 'token', ...fault } as Parameters<typeof entra.admin.fault>[0])
    const page = await browser.go(`${gateway.url}/.auth/login`)
    entra.admin.clearFaults()
    t.ok(page.status >= 400, `${JSON.stringify(fault)}: ${page.status}`)
    t.match(page.headers['scopegate-error'], /^SG_/)
    t.notMatch(page.body, leaks)
  }
})

t.test('what the parser could not read is refused without its text', async t => {
  for (const bytes of ['\r\n\r\nGARBAGE\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', 'GET /\u0000 HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n']) {
    const answer = await exchange(t, gateway.port, bytes)
    t.ok(answer.status >= 400)
    t.notMatch(answer.text(), leaks)
  }
})

t.test('the control: what is looked for is found in what Node says', async t => {
  t.match('connect ECONNREFUSED 127.0.0.1:1', leaks)
  t.match('self-signed certificate', leaks)
})
