/**
 * This file follows requests through a gateway that sends traces: what a collector gets is a tree of what they waited for, it
 * goes on at the upstream, and nothing in it is about anybody.
 */
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startChallenger } from '../support/challenges.ts'
import { type Collector, type ReceivedSpan, startCollector } from '../support/collector.ts'
import { type GatewayParts, startEntra, startGateway, type TestGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { signIn } from '../support/signed-in.ts'
import { tracesTo } from '../support/traces.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

interface Traced {
  readonly gateway: TestGateway
  readonly collector: Collector
}

/** A gateway whose traces go to a collector of its own, a moment after they end. */
async function startTraced (t: Test, parts: GatewayParts, env: Record<string, string> = {}): Promise<Traced> {
  const collector = await startCollector(t)
  const traces = await tracesTo(t, collector, env)
  return { gateway: await startGateway(t, { ...parts, traces }), collector }
}

async function startWorld (t: Test, { server, env }: { server?: Record<string, unknown>, env?: Record<string, string> } = {}) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { gateway, collector } = await startTraced(t, {
    emulator: entra,
    upstreams: {
      app: { url: `${app.origin}/base` }, closed: { url: 'http://127.0.0.1:9' }
    },
    routes: [
      { path: '/orders/*', upstream: 'app', scopes: ['api://orders/Orders.Read'] },
      { path: '/reports/*', upstream: 'app', scopes: ['api://reports/Reports.Read'] },
      { path: '/closed/*', upstream: 'closed', access: 'public' },
      { path: '/public/*', upstream: 'app', access: 'public' },
      { path: '/*', upstream: 'app' }
    ],
    entra: { initialScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read'] },
    ...(server === undefined ? {} : { server })
  }, env)
  return { entra, app, gateway, collector, url: gateway.url }
}

/** The span of the request for that path. */
async function requestAt (collector: Collector, path: string): Promise<ReceivedSpan> {
  return await collector.find(`the span of ${path}`, ({ kind, attributes }) => kind === 'server' && attributes['url.path'] === path)
}

/** What lies below a span, as its name and in brackets what lies below that, in the order of the beginnings. */
function treeBelow (collector: Collector, span: ReceivedSpan): string {
  const below = collector.spans().filter(({ parentSpanId }) => parentSpanId === span.spanId)
    .sort((a, b) => Number(a.startedAt - b.startedAt) || Number(a.endedAt - b.endedAt))
  return below.map(one => {
    const further = treeBelow(collector, one)
    return further === '' ? one.name : `${one.name} (${further})`
  }).join(', ')
}

/** All of a trace is there when the request's span is and what its upstream saw. */
async function traceOf (collector: Collector, path: string) {
  const root = await requestAt(collector, path)
  const all = collector.spans().filter(({ traceId }) => traceId === root.traceId)
  const of = (name: string): ReceivedSpan => {
    const found = all.find(span => span.name === name)
    if (found === undefined) throw new Error(`no span ${name} among ${all.map(({ name }) => name).join(', ')}`)
    return found
  }
  return { root, of, all }
}

function traceparentAt (app: TestUpstream, path: string): string {
  return String(app.seen.find(({ url }) => url.split('?')[0] === path)?.headers.traceparent)
}

t.test('a request that waits for a token is a tree: the token, what it took, and the upstream', async t => {
  const { url, entra, app, collector } = await startWorld(t)
  const { browser } = await signIn(t, { url, entra })
  t.equal((await browser.fetch(`${url}/reports/7?secret=1`)).status, 200)
  const { root, of, all } = await traceOf(collector, '/reports/7')
  t.equal(root.parentSpanId, '')
  t.equal(root.name, 'GET /reports/*')
  t.match(root.attributes, {
    'http.request.method': 'GET',
    'http.route': '/reports/*',
    'http.response.status_code': 200,
    'url.path': '/reports/7',
    'url.scheme': 'http',
    'server.address': 'localhost',
    'scopegate.route': '/reports/*',
    'scopegate.token.source': 'refresh',
    'scopegate.request_id': app.seen.at(-1)!.headers['x-request-id']
  })
  t.notOk(root.isError)
  const token = of('token')
  t.equal(token.parentSpanId, root.spanId)
  t.same(token.attributes, { 'scopegate.resource': 'api://reports', 'scopegate.token.outcome': 'token', 'scopegate.token.source': 'refresh' })
  const provider = of('provider refresh_token')
  t.equal(provider.parentSpanId, token.spanId)
  t.equal(provider.kind, 'client')
  t.same(provider.attributes, { 'server.address': 'localhost', 'scopegate.provider.grant': 'refresh_token' })
  const record = of('store read')
  t.equal(record.parentSpanId, token.spanId)
  t.same(record.attributes, { 'db.system.name': 'memory', 'db.operation.name': 'read' })
  const upstream = of('GET app')
  t.equal(upstream.parentSpanId, root.spanId)
  t.match(upstream.attributes, {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'server.address': '127.0.0.1',
    'server.port': app.port,
    'url.full': `${app.origin}/base/reports/7`,
    'scopegate.upstream': 'app'
  })
  for (const { name, startedAt, endedAt } of all) {
    t.ok(startedAt >= root.startedAt && endedAt <= root.endedAt && startedAt <= endedAt, `${name} lies within the request`)
  }
  t.equal(traceparentAt(app, '/base/reports/7'), `00-${root.traceId}-${upstream.spanId}-01`, 'the upstream goes on below its span')
})

t.test('a request with everything in memory has its upstream below it, and nothing else', async t => {
  const { url, entra, app, collector } = await startWorld(t)
  const { browser } = await signIn(t, { url, entra })
  await browser.fetch(`${url}/orders/1`)
  await browser.fetch(`${url}/orders/2`)
  const root = await requestAt(collector, '/orders/2')
  t.equal(treeBelow(collector, root), 'GET app')
  t.equal(root.attributes['scopegate.token.source'], 'ready')
  t.match(traceparentAt(app, '/base/orders/2'), new RegExp(`^00-${root.traceId}-`))
  t.not((await requestAt(collector, '/orders/1')).traceId, root.traceId)
})

t.test('what is renewed behind a request that did not wait is part of its trace', async t => {
  const { url, entra, collector, gateway } = await startWorld(t)
  const { browser } = await signIn(t, { url, entra })
  await browser.fetch(`${url}/orders/1`)
  // Past the soft end, before the hard one.
  gateway.clock.advance(3300)
  entra.admin.clock.advance(3300)
  t.equal((await browser.fetch(`${url}/orders/2`)).status, 200)
  const root = await requestAt(collector, '/orders/2')
  t.equal(root.attributes['scopegate.token.source'], 'ready')
  const renewal = await collector.find('the renewal', ({ name, traceId }) => name === 'provider refresh_token' && traceId === root.traceId)
  t.equal(renewal.parentSpanId, root.spanId)
})

t.test('a sign-in shows what the provider and the store took, without the query of its callback', async t => {
  const { url, entra, collector } = await startWorld(t)
  await signIn(t, { url, entra })
  const { root, of } = await traceOf(collector, '/.auth/callback')
  t.equal(root.name, 'GET /.auth/callback')
  t.equal(root.attributes['http.response.status_code'], 303)
  t.equal(of('provider authorization_code').parentSpanId, root.spanId)
  t.equal(of('store claim').parentSpanId, root.spanId)
})

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

async function ask (t: Test, { port }: TestGateway, target: string, fields: Array<[string, string]>): Promise<void> {
  t.equal((await exchange(t, port, { target, fields })).status, 200)
}

t.test('nobody but a trusted proxy says which trace a request belongs to', async t => {
  const { gateway, collector, app } = await startWorld(t)
  await ask(t, gateway, '/public/1', [['traceparent', parent], ['tracestate', 'a=1']])
  const root = await requestAt(collector, '/public/1')
  t.equal(root.parentSpanId, '')
  t.not(root.traceId, parent.slice(3, 35))
  t.match(traceparentAt(app, '/base/public/1'), new RegExp(`^00-${root.traceId}-`))
  t.equal(app.seen[0]!.headers.tracestate, undefined)
})

t.test('the trace of a trusted proxy goes on, with its state, unless it is broken', async t => {
  const { gateway, collector, app } = await startWorld(t, { server: { trustedProxies: ['127.0.0.1'] } })
  await ask(t, gateway, '/public/1', [['TraceParent', parent], ['tracestate', 'a=1,b=2']])
  const root = await requestAt(collector, '/public/1')
  t.equal(root.traceId, parent.slice(3, 35))
  t.equal(root.parentSpanId, parent.slice(36, 52))
  t.equal(root.traceState, 'a=1,b=2')
  const upstream = await collector.find('its upstream', ({ parentSpanId }) => parentSpanId === root.spanId)
  t.equal(traceparentAt(app, '/base/public/1'), `00-${root.traceId}-${upstream.spanId}-01`)
  t.equal(app.seen[0]!.headers.tracestate, 'a=1,b=2')

  for (const [at, fields] of [[['traceparent', 'x']], [['traceparent', parent], ['traceparent', parent]], [['tracestate', 'a=1']]].entries()) {
    await ask(t, gateway, `/public/broken-${at}`, fields as Array<[string, string]>)
    const own = await requestAt(collector, `/public/broken-${at}`)
    t.equal(own.parentSpanId, '')
    t.equal(app.seen.at(-1)!.headers.tracestate, undefined)
    t.equal(app.seen.at(-1)!.rawHeaders.filter(name => name.toLowerCase() === 'traceparent').length, 1)
  }
})

t.test('a trace that its proxy does not record goes on unrecorded', async t => {
  const { gateway, collector, app } = await startWorld(t, { server: { trustedProxies: ['127.0.0.1'] } })
  await ask(t, gateway, '/public/1', [['traceparent', parent.replace(/01$/, '00')]])
  await ask(t, gateway, '/public/2', [])
  await requestAt(collector, '/public/2')
  t.match(traceparentAt(app, '/base/public/1'), new RegExp(`^00-${parent.slice(3, 35)}-[0-9a-f]{16}-00$`))
  t.same(collector.spans().filter(({ attributes }) => attributes['url.path'] === '/public/1'), [])
})

t.test('what the sampler leaves out is not sent, and the upstream is told so', async t => {
  const { gateway, collector, app } = await startWorld(t, { env: { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' } })
  for (let i = 0; i < 20; i++) await ask(t, gateway, '/public/1', [['traceparent', parent]])
  t.ok(app.seen.every(({ headers }) => /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/.test(String(headers.traceparent))))
  t.same(collector.received, [])
})

t.test('faults have their codes where they happened', async t => {
  const { url, entra, collector, gateway } = await startWorld(t)
  t.equal((await exchange(t, gateway.port, { target: '/closed/1?q=1' })).status, 502)
  const { root, of } = await traceOf(collector, '/closed/1')
  t.match(root.attributes, { 'http.response.status_code': 502, 'error.type': 'SG_UPSTREAM_UNREACHABLE', 'scopegate.error': 'SG_UPSTREAM_UNREACHABLE' })
  t.ok(root.isError)
  t.equal(of('GET closed').attributes['error.type'], 'ECONNREFUSED')
  t.ok(of('GET closed').isError)

  const { browser } = await signIn(t, { url, entra })
  entra.admin.fault({ endpoint: 'token', times: 5, status: 500, body: 'secret' })
  t.equal((await browser.fetch(`${url}/reports/1`)).status, 503)
  const refused = await traceOf(collector, '/reports/1')
  t.equal(refused.of('token').attributes['error.type'], 'SG_PROVIDER_UNAVAILABLE')
  t.match(refused.of('provider refresh_token').attributes['error.type'], /^sts_/)

  t.equal((await exchange(t, gateway.port, { target: '/orders/9' })).status, 401)
  const unknown = await requestAt(collector, '/orders/9')
  t.match(unknown.attributes, { 'http.response.status_code': 401, 'scopegate.error': 'SG_SIGN_IN_REQUIRED', 'scopegate.sign_in.reason': 'sign_in_required' })
  t.notOk(unknown.isError, 'a refusal is no fault of the gateway')
})

t.test('a claims challenge is two requests at the upstream and the token between them, whichever connection they use', async t => {
  const entra = await startEntra(t)
  const app = await startChallenger(t)
  const scopes = ['api://orders/Orders.Read']
  const { gateway: { url }, collector } = await startTraced(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes } },
    routes: [{ path: '/strong/*', upstream: 'app', rewrite: '/token', requireAuthContext: 'c2' }, { path: '/*', upstream: 'app' }],
    entra: { initialScopes: scopes }
  })
  const { browser } = await signIn(t, { url, entra, at: '/strong/first' })
  // Opens the connection to the upstream on which the others go.
  await browser.fetch(`${url}/token/1`)
  t.equal((await browser.fetch(`${url}/c2/1`, { method: 'POST', body: 'a body that is kept' })).status, 200)
  const root = await requestAt(collector, '/c2/1')
  t.match(treeBelow(collector, root), /^POST app, token \(.*provider refresh_token.*\), POST app$/)
  const tries = collector.spans().filter(({ parentSpanId, name }) => parentSpanId === root.spanId && name === 'POST app')
  t.same(tries.map(({ attributes }) => attributes['http.response.status_code']).sort(), [200, 401])
  const seen = app.seen.filter(({ url }) => url === '/c2/1').map(({ headers }) => headers.traceparent)
  t.same(seen.sort(), tries.map(({ spanId }) => `00-${root.traceId}-${spanId}-01`).sort(), 'each try has a span of its own')
  const first = await requestAt(collector, '/token/1')
  t.equal(treeBelow(collector, first), 'GET app', 'nothing of it is taken for the first request of the connection')
})

t.test('the handshake of a WebSocket is a request, and ends when the socket is open', async t => {
  const entra = await startEntra(t)
  const live = await startEchoUpstream(t)
  const { gateway: { url }, collector } = await startTraced(t, {
    emulator: entra, upstreams: { live: { url: live.origin } }, routes: [{ path: '/*', upstream: 'live', websocket: true }]
  })
  const { cookie } = await signIn(t, { url, entra, at: '/.auth/me' })
  const client = await openWebSocket(t, `${url}/live/x?token=1`, { cookie, origin: url })
  const root = await requestAt(collector, '/live/x')
  t.equal(root.attributes['http.response.status_code'], 101)
  t.equal(root.attributes['scopegate.cut'], undefined)
  t.match(treeBelow(collector, root), /GET live$/)
  client.socket.send('x')
  t.equal(String(await client.message()), 'x')
})

t.test('nothing of anybody is in what is sent: no query, token, cookie, code, name or header value', async t => {
  const { url, entra, app, collector } = await startWorld(t)
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await browser.go(`${url}/orders/1?canary-query=1`, { headers: { referer: `${url}/x?canary-referer`, 'user-agent': 'canary-agent' } })
  await browser.fetch(`${url}/reports/1?canary-query=1`, {
    method: 'POST', body: 'canary-body', headers: { 'x-canary': 'canary-field', 'content-type': 'text/canary-type' }
  })
  await browser.visit(`${url}/.auth/callback?code=canary-code&state=canary-state`)
  await browser.visit(`${url}/.auth/logout`)
  await requestAt(collector, '/.auth/logout')
  const sent = Buffer.concat(collector.received.map(({ body }) => body)).toString('latin1')
  t.ok(sent.includes('/orders/1'), 'what is looked for would be found')
  t.match(collector.received[0]!.url, /^\/v1\/traces$/)
  t.notMatch(sent, /canary|alice|contoso|Bearer|eyJ|code=|state=|33333333-3333/)
  const tokens = app.seen.map(({ headers }) => String(headers.authorization).slice('Bearer '.length))
  const cookies = browser.received.map(line => /^[^=]+=([^;]*)/.exec(line)![1]!).filter(value => value.length > 8)
  t.ok(tokens.length > 1 && cookies.length > 1)
  for (const secret of [...tokens, ...cookies]) t.notOk(sent.includes(secret))
})

t.test('a collector that is away or does not answer costs no request anything', async t => {
  const { gateway, collector } = await startWorld(t)
  collector.answer('hang')
  for (let i = 0; i < 50; i++) await ask(t, gateway, `/public/${i}`, [])
  await until('an attempt', () => collector.received.length > 0)
  await ask(t, gateway, '/public/x', [])
})
