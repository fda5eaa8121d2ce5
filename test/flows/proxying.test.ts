/** This file checks what passes through: paths, bodies of any size, streams, identity headers, and hosts. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { type GatewayParts, startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

type Routes = GatewayParts['routes']

async function start (t: Test, app: TestUpstream, routes: Routes, parts: Partial<GatewayParts> = {}) {
  const entra = await startEntra(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin }, based: { url: `${app.origin}/v1.0` } },
    routes,
    ...parts
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await browser.go(`${gateway.url}/.auth/login`)
  return { gateway, url: gateway.url, browser }
}

t.test('a path is rewritten once, at its start, below the upstream\'s base path', async t => {
  const app = await startUpstream(t)
  const { url, browser } = await start(t, app, [
    { path: '/graph/*', upstream: 'based', rewrite: '/' },
    { path: '/old/app/*', upstream: 'app', rewrite: '/new' },
    { path: '/exact', upstream: 'app' },
    { path: '/plain/*', upstream: 'based' }
  ])
  const cases: Array<[string, string]> = [
    ['/graph/me?$select=id,mail', '/v1.0/me?$select=id,mail'],
    ['/graph', '/v1.0/'],
    ['/graph/', '/v1.0/'],
    ['/graph/graph/x', '/v1.0/graph/x'],
    ['/old/app/old/app', '/new/old/app'],
    ['/old/app', '/new'],
    ['/exact?a=%2F&b=1&b=2', '/exact?a=%2F&b=1&b=2'],
    ['/plain/caf%c3%a9/%7euser', '/v1.0/plain/caf%C3%A9/~user']
  ]
  for (const [from, to] of cases) t.equal((await browser.fetch(url + from)).json().url, to, from)
  for (const path of ['/graphs', '/old/application', '/exact/', '/exact/x']) {
    t.equal((await browser.fetch(url + path)).status, 404, `${path} matches nothing`)
  }
})

t.test('methods and hosts choose routes; what is not listed does not fall through to a broader route', async t => {
  const app = await startUpstream(t)
  const { gateway, url, browser } = await start(t, app, [
    { path: '/api/*', methods: ['POST'], upstream: 'app', requestHeaders: { set: { 'X-Route': 'write' } } },
    { path: '/api/*', methods: ['GET'], upstream: 'app', requestHeaders: { set: { 'X-Route': 'read' } } },
    { path: '/*', hosts: ['other.localhost'], upstream: 'app', requestHeaders: { set: { 'X-Route': 'other' } } },
    { path: '/*', upstream: 'app', requestHeaders: { set: { 'X-Route': 'rest' } } }
  ])
  const routeOf = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const reply = await browser.fetch(url + path, { method, headers })
    return reply.status === 200 && method !== 'HEAD' ? reply.json().headers['x-route'] : reply.status
  }
  t.equal(await routeOf('GET', '/api/x'), 'read')
  t.equal(await routeOf('HEAD', '/api/x'), 200)
  t.equal(await routeOf('POST', '/api/x'), 'write')
  t.equal(await routeOf('DELETE', '/api/x'), 404)
  t.equal(await routeOf('PROPFIND', '/api/x'), 404)
  t.equal(await routeOf('PROPFIND', '/x'), 'rest')
  t.equal(await routeOf('GET', '/api/x', { host: `other.localhost:${gateway.port}` }), 'other', 'the host is looked at first')
  t.equal(await routeOf('GET', '/x', { host: 'unknown.example' }), 421)
})

t.test('C10.8 large bodies pass in both directions, unbuffered and unchanged', async t => {
  const size = 96 * 1024 * 1024
  const block = randomBytes(1024 * 1024)
  const app = await startUpstream(t, {
    answer (_request, response, seen) {
      response.end(createHash('sha256').update(seen.body, 'latin1').digest('hex'))
    }
  })
  const big = await startHashing(t, block, size)
  const { url, browser } = await start(t, app, [{ path: '/*', upstream: 'big', maxBodyBytes: 2 * size }], { upstreams: { big: { url: big.origin } } })
  const cookie = `scopegate=${browser.cookies(url).get('scopegate')}`
  const before = process.memoryUsage().rss

  const upload = httpRequest(`${url}/up`, { method: 'PUT', headers: { cookie, 'sec-fetch-site': 'same-origin', 'transfer-encoding': 'chunked' } })
  for (let sent = 0; sent < size; sent += block.length) if (!upload.write(block)) await once(upload, 'drain')
  upload.end()
  const [stored] = await once(upload, 'response') as [IncomingMessage]
  t.equal(await textOf(stored), big.hash, 'the upload arrived whole')

  const download = httpRequest(`${url}/down`, { headers: { cookie } }).end()
  const [response] = await once(download, 'response') as [IncomingMessage]
  const hash = createHash('sha256')
  for await (const chunk of response) hash.update(chunk as Buffer)
  t.equal(hash.digest('hex'), big.hash, 'the download arrived whole')
  t.ok(process.memoryUsage().rss - before < 120 * 1024 * 1024, 'nothing was gathered in memory')
})

/** An upstream that hashes what it gets and sends `size` bytes of repeated `block`. */
async function startHashing (t: Test, block: Buffer, size: number): Promise<{ origin: string, hash: string }> {
  const { createServer } = await import('node:http')
  const server = createServer(async (request, response) => {
    if (request.method === 'PUT') {
      const hash = createHash('sha256')
      for await (const chunk of request) hash.update(chunk as Buffer)
      response.end(hash.digest('hex'))
      return
    }
    for (let sent = 0; sent < size; sent += block.length) if (!response.write(block)) await once(response, 'drain')
    response.end()
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const hash = createHash('sha256')
  for (let sent = 0; sent < size; sent += block.length) hash.update(block)
  return { origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`, hash: hash.digest('hex') }
}

async function textOf (response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

t.test('an event stream reaches the client event by event', async t => {
  const app = await startUpstream(t, {
    async answer (_request, response) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      await delay(400)
      response.end('data: 2\n\n')
    }
  })
  const { url, browser } = await start(t, app, [{ path: '/*', upstream: 'app' }])
  const started = performance.now()
  const stream = httpRequest(`${url}/events`, { headers: { cookie: `scopegate=${browser.cookies(url).get('scopegate')}` } }).end()
  const [response] = await once(stream, 'response') as [IncomingMessage]
  const arrivals: number[] = []
  for await (const chunk of response) arrivals.push(chunk.length === 9 ? performance.now() - started : NaN)
  t.equal(arrivals.length, 2)
  t.ok(arrivals[1]! - arrivals[0]! > 200, 'the first event did not wait for the second')
})

t.test('identity headers follow the route\'s preset', async t => {
  const app = await startUpstream(t)
  const { url, browser } = await start(t, app, [
    { path: '/standard', upstream: 'app', identityHeaders: 'standard' },
    { path: '/easyauth', upstream: 'app', identityHeaders: 'easyauth' },
    { path: '/oauth2-proxy', upstream: 'app', identityHeaders: 'oauth2-proxy' },
    { path: '/map', upstream: 'app', identityHeaders: { 'X-Display-Name': 'name', 'X-Nothing': 'absent' } },
    { path: '/none', upstream: 'app' }
  ])
  const oid = '33333333-3333-4333-8333-333333333331'
  const headersOf = async (path: string) => (await browser.fetch(url + path)).json().headers
  t.match(await headersOf('/standard'), {
    'x-forwarded-user': oid, 'x-forwarded-preferred-username': 'alice@contoso.example', 'x-forwarded-groups': /^7{8}-/
  })
  t.match(await headersOf('/oauth2-proxy'), {
    'x-auth-request-user': oid, 'x-auth-request-preferred-username': 'alice@contoso.example'
  })
  const map = await headersOf('/map')
  t.equal(map['x-display-name'], 'Alice Andersson')
  t.notOk('x-nothing' in map)

  const easy = await headersOf('/easyauth')
  t.match(easy, { 'x-ms-client-principal-id': oid, 'x-ms-client-principal-name': 'alice@contoso.example', 'x-ms-client-principal-idp': 'aad' })
  const principal = JSON.parse(Buffer.from(easy['x-ms-client-principal'], 'base64').toString())
  t.match(principal, { auth_typ: 'aad', name_typ: String, role_typ: String })
  t.ok(principal.claims.some((claim: { typ: string, val: string }) => claim.typ === 'roles' && claim.val === 'Orders.Admin'))

  const none = await headersOf('/none')
  t.same(Object.keys(none).filter(name => /client-principal|auth-request|forwarded-(user|email|groups|preferred)/.test(name)), [])
  t.match(none, {
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': new URL(url).host,
    'x-forwarded-proto': 'http',
    'x-request-id': /^[0-9a-f-]{36}$/,
    traceparent: /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/
  })
  t.notMatch(JSON.stringify(none), /scopegate=/, 'our cookie stays here')
})

t.test('access rules let in whom they list', async t => {
  const app = await startUpstream(t)
  const { url, browser } = await start(t, app, [
    { path: '/admins', upstream: 'app', allow: { roles: ['Orders.Admin'] } },
    { path: '/others', upstream: 'app', allow: { roles: ['Something.Else'] } },
    { path: '/not-alice', upstream: 'app', deny: { users: ['11111111-1111-4111-8111-111111111111/33333333-3333-4333-8333-333333333331'] } }
  ])
  t.equal((await browser.fetch(`${url}/admins`)).status, 200)
  for (const path of ['/others', '/not-alice']) {
    const before = app.seen.length
    const reply = await browser.fetch(url + path)
    t.equal(reply.status, 403)
    t.same(reply.json().code, 'SG_ACCESS_DENIED')
    t.equal(app.seen.length, before)
  }
  const page = await browser.visit(`${url}/others`)
  t.match(page.body, /data-testid="error-code">SG_ACCESS_DENIED</)
})
