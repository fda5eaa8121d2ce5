/**
 * This file repeats, against this gateway, what went wrong in others: each title begins with the advisory, or with the date of
 * the entry in the project's changelog. Others of them are beside the cases that they belong to.
 */
import t from 'tap'
import { createClock } from '../identity/support/clock.ts'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const hour = 3600
const entra = await startEntra(t)
const app = await startUpstream(t, {
  answer: (request, response, seen) => {
    if (request.url === '/public/refusing') response.statusCode = 403
    response.end(JSON.stringify(seen))
  }
})
const parts = {
  emulator: entra,
  upstreams: { app: { url: app.origin }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/strip/*', upstream: 'app', access: 'public', rewrite: '/open' },
    { path: '/secret/*', upstream: 'app', allow: { roles: ['Nobody'] } },
    { path: '/orders/*', upstream: 'orders' },
    { path: '/*', upstream: 'app' },
    { path: '/*', hosts: ['admin.localhost'], upstream: 'app', allow: { roles: ['Nobody'] } }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] },
  session: { idleSeconds: 4 * hour, absoluteSeconds: 8 * hour }
}
const gateway = await startGateway(t, parts)
const { port, url } = gateway
const { cookie } = await signIn(t, { url, entra, at: '/public/x' })

t.test('oauth2-proxy-3333, C6.4, C12.7 a renewal that fails for good ends the session after one call, at this request', async t => {
  const own = await startGateway(t, parts)
  const { cookie } = await signIn(t, { url: own.url, entra, user: 'bob@contoso.example', at: '/public/x' })
  t.equal((await exchange(t, own.port, { target: '/orders/x', cookie })).status, 200)
  own.clock.advance(2 * hour)
  entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, aadsts: 700082, times: 10 })
  t.teardown(() => { entra.admin.clearFaults() })
  const calls = (): number => entra.requests().filter(({ endpoint }) => endpoint === 'token').length
  const [before, seen] = [calls(), app.seen.length]
  for (const target of ['/orders/x', '/orders/x', '/x', '/.auth/me']) t.equal((await exchange(t, own.port, { target, cookie })).status, 401, target)
  t.equal(calls() - before, 1)
  t.equal(app.seen.length, seen, 'nothing went on to the upstream')
})

t.test('mod_auth_openidc-2026-08-07b identity fields are removed on preflights, too, and where the upstream refuses', async t => {
  const lies = [['X-Forwarded-User', 'evil'], ['X-MS-CLIENT-PRINCIPAL', 'evil'], ['X_Auth_Request_User', 'evil'], ['Authorization', 'Bearer evil']] as const
  const preflight = [['Origin', 'https://other.example'], ['Access-Control-Request-Method', 'PUT'], ['Access-Control-Request-Headers', 'x-forwarded-user']] as const
  for (const request of [{ method: 'OPTIONS', target: '/public/x' }, { method: 'OPTIONS', target: '/x', cookie }, { target: '/public/refusing' }, { method: 'HEAD', target: '/public/x' }]) {
    const before = app.seen.length
    await exchange(t, port, { ...request, fields: [...lies, ...preflight] })
    const seen = app.seen.slice(before)
    t.equal(seen.length, 1, `${request.method ?? 'GET'} ${request.target} passes`)
    t.notMatch(JSON.stringify(seen), /evil/)
  }
  const before = app.seen.length
  t.equal((await exchange(t, port, { method: 'OPTIONS', target: '/x', fields: [...lies, ...preflight] })).status, 401, 'a preflight needs a session like others')
  t.equal(app.seen.length, before)
})

t.test('mod_auth_openidc-2026-08-07c a front-channel logout ends its session; another one of the user keeps its tokens', async t => {
  // Everybody's clock: the provider's tokens have to be of now.
  const clock = createClock(t)
  const own = await startGateway(t, parts)
  const browsers = await Promise.all([1, 2].map(async () => (await signIn(t, { url: own.url, entra, at: '/orders/x' })).browser))
  const [leaving, staying] = browsers as [typeof browsers[0], typeof browsers[0]]
  const { user_claims: claims } = (await leaving.fetch(`${own.url}/.auth/me`)).json()[0]
  const sid = claims.find((claim: { typ: string }) => claim.typ === 'sid').val
  const calls = entra.requests().length
  t.equal((await createBrowser(t).visit(`${own.url}/.auth/frontchannel-logout?sid=${sid}`)).status, 200)
  t.equal((await leaving.fetch(`${own.url}/orders/x`)).status, 401)
  t.equal((await staying.fetch(`${own.url}/orders/x`)).status, 200)
  t.equal(entra.requests().length, calls, 'its token was not asked for again')
  clock.advance(2 * hour * 1000)
  t.equal((await staying.fetch(`${own.url}/orders/x`)).status, 200, 'and the grant is still there to renew it')
})

t.test('GHSA-wcvh-g65p-v576, CVE-2022-29226 a bearer token signs nobody in, not even a good one of the provider', async t => {
  const { authorization = '' } = JSON.parse((await exchange(t, port, { target: '/orders/x', cookie })).text()).headers
  t.match(authorization, /^Bearer eyJ/, 'a token that the provider issued for this user')
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const unlimited = `Bearer ${encode({ alg: 'RS256', kid: 'x' })}.${encode({ oid: 'admin', tid: 'x' })}.AAAA`
  for (const bearer of [authorization, unlimited]) {
    for (const target of ['/x', '/orders/x', '/secret/x', '/.auth/me']) {
      const before = app.seen.length
      t.equal((await exchange(t, port, { target, fields: [['Authorization', bearer]] })).status, 401, target)
      t.equal(app.seen.length, before)
    }
  }
})

t.test('CVE-2025-31492 nothing follows a refusal on its connection, and the upstream is not asked', async t => {
  for (const fields of [[], [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document']]] as const) {
    const before = app.seen.length
    const connection = await connectRaw(t, port)
    connection.send(rawRequest({ target: '/secret/x', fields: [...fields, ['Connection', 'close']] }))
    const answer = await connection.answer()
    t.ok([302, 401].includes(answer?.status ?? 0))
    t.ok(answer?.isComplete)
    t.ok(await connection.isClosedWithin(5000))
    t.equal(connection.rest().length, 0, 'no byte more')
    t.equal(app.seen.length, before)
  }
})

t.test('CVE-2026-48794 a host in any spelling gets the rule of that host', async t => {
  for (const host of ['admin.localhost', 'ADMIN.localhost', 'Admin.LocalHost', 'admin.localhost.', `aDMIN.localhost:${port}`]) {
    const before = app.seen.length
    t.equal((await exchange(t, port, { target: '/x', host, cookie })).status, 403, host)
    t.equal((await exchange(t, port, { target: `http://${host}/x`, host: 'localhost', cookie })).status, 403, `${host} in the target`)
    t.equal(app.seen.length, before)
  }
  t.equal((await exchange(t, port, { target: '/x', cookie })).status, 200, 'the rule of the other host')
})

t.test('CVE-2026-40912 what rewriting takes away does not lead out of where it puts a path', async t => {
  for (const target of ['/strip/../secret/x', '/strip/./../secret', '/strip/..%2fsecret', '/strip/%2e%2e/secret', '/strip//secret/x', '/strip%2fsecret', '/strip/%2fsecret', '/strip;/secret', '/strip/..;/secret']) {
    const before = app.seen.length
    t.equal((await exchange(t, port, { target })).status, 400, target)
    t.equal(app.seen.length, before)
  }
  for (const [target, forwarded] of [['/strip/secret/x', '/open/secret/x'], ['/strip', '/open'], ['/strip/strip/secret', '/open/strip/secret'], ['/strip/%73ecret', '/open/secret']]) {
    t.equal(JSON.parse((await exchange(t, port, { target: target! })).text()).url, forwarded)
  }
})
