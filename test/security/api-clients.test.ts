/**
 * Hostile bearer tokens at a running gateway. An ID token has the gateway's client id as its audience as well, and one for
 * another API has the provider's signature as well: neither is a key to anything.
 */
import t from 'tap'
import { appToken, call, cliId, daemonId, userToken } from '../support/api-client.ts'
import { clientId, startEntra, startGateway } from '../support/gateway.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = '33333333-3333-4333-8333-333333333331'
const otherTenant = '99999999-9999-4999-8999-999999999999'
const entra = await startEntra(t)
const app = await startUpstream(t)
const routes = [
  { path: '/public/*', upstream: 'app', access: 'public' },
  { path: '/optional/*', upstream: 'app', access: 'optional' },
  { path: '/admin/*', upstream: 'app', allow: { roles: ['Orders.Admin'] } },
  { path: '/*', upstream: 'app' }
]
const upstreams = { app: { url: app.origin }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } }
const gateway = await startGateway(t, { emulator: entra, upstreams, routes: [...routes, { path: '/orders/*', upstream: 'orders' }], entra: { initialScopes: ['api://orders/Orders.Read'] } })
const { port } = gateway

const user = { aud: clientId, azp: cliId, scp: 'access_as_user', oid: alice, sub: 'pairwise', name: 'Alice' }
const idClaims = { aud: clientId, oid: alice, sub: 'pairwise', name: 'Alice', roles: ['Orders.Admin'] }

t.test('the forged token that is laid over is good as it is', async t => {
  t.equal((await call(t, port, '/x', { token: await entra.admin.forge({ claims: user }) })).status, 200)
})

t.test('C14.1, C14.2, C14.3 no hostile token gets anywhere, and none reaches an upstream', async t => {
  const { forge } = entra.admin
  const { kid } = JSON.parse(Buffer.from((await forge({ claims: user })).split('.')[0]!, 'base64url').toString())
  const hostile: Record<string, string> = {
    'another key': await forge({ claims: user, key: 'unknown' }),
    'a key that is not listed any more': await forge({ claims: user, key: 'expired' }),
    'no signature': await forge({ claims: user, key: 'none' }),
    'no signature, and a made up one': `${await forge({ claims: user, key: 'none' })}AAAA`,
    'another key under the name of a good one': await forge({ claims: user, key: 'unknown', header: { kid } }),
    'an ID token': await forge({ claims: { ...idClaims, nonce: 'n' } }),
    'an ID token without nonce': await forge({ claims: idClaims }),
    'a token for Graph': await forge({ claims: { ...user, aud: '00000003-0000-0000-c000-000000000000' } }),
    'a token for an upstream': await entra.admin.token({ user: 'alice@contoso.example', client: clientId, scope: 'api://orders/Orders.Read' }),
    'a logout token': await entra.admin.logoutToken({ user: 'alice@contoso.example', client: clientId }),
    'of another tenant': await entra.admin.forge({ claims: user }, otherTenant),
    'of another tenant by its tid': await forge({ claims: { ...user, tid: otherTenant } }),
    expired: await forge({ claims: { ...user, exp: 1_700_000_000, iat: 1_699_990_000, nbf: 1_699_990_000 } }),
    'without exp': await forge({ claims: { ...user, exp: null } }),
    'not valid yet': await forge({ claims: { ...user, nbf: 4_000_000_000 } }),
    'bound to a key': await forge({ claims: { ...user, cnf: { kid: 'x' } } }),
    'without audience': await forge({ claims: { ...user, aud: null } }),
    'no token at all': 'x'
  }
  for (const [name, token] of Object.entries(hostile)) {
    for (const target of ['/x', '/admin/x', '/optional/x', '/orders/x', '/nowhere/at/all']) {
      const before = app.seen.length
      const answer = await call(t, port, target, { token })
      t.equal(answer.status, 401, `${name} on ${target}`)
      t.strictSame(answer.all('set-cookie'), [])
      t.equal(app.seen.length, before)
    }
  }
  t.notMatch(gateway.logged(), /eyJ[\w-]{20}/, 'no token is in the log')
  t.match(gateway.logged(), /"code":"SG_TOKEN_INVALID","cause":"TypeError it is an ID token"/, 'why it was refused is')
})

t.test('GHSA-wcvh-g65p-v576, CVE-2022-29226 no bearer token becomes a session', async t => {
  const token = await userToken(entra)
  const answer = await call(t, port, '/x', { token })
  t.equal(answer.status, 200)
  t.strictSame(answer.all('set-cookie'), [])
  t.equal((await call(t, port, '/x')).status, 401, 'the next request without it is nobody\'s')
  t.equal((await call(t, port, '/.auth/me', { token })).status, 401)
})

t.test('C14.5 no client\'s Authorization reaches an upstream, whoever is known by what', async t => {
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  const token = await userToken(entra)
  for (const target of ['/public/x', '/optional/x', '/x', '/admin/x']) {
    for (const with_ of [{ token }, { token, cookie }]) {
      t.equal((await call(t, port, target, with_)).status, 200, target)
      t.equal(app.seen.at(-1)?.headers.authorization, undefined)
    }
  }
})

t.test('C14.6 an app of the tenant that nobody gave a role is kept out, also with a user\'s claims beside it', async t => {
  const before = app.seen.length
  for (const claims of [{}, { roles: [] }, { roles: 'Orders.Admin2' }, { groups: ['g1'], preferred_username: 'alice@contoso.example' }, { oid: daemonId, wids: ['x'] }]) {
    for (const target of ['/x', '/admin/x', '/optional/x', '/orders/x']) t.equal((await call(t, port, target, { token: await appToken(entra, claims) })).status, 403)
  }
  t.equal(app.seen.length, before)
})

t.test('C14.8 whoever tries out tokens is slowed down without their being verified, and known ones go on', async t => {
  const limited = await startGateway(t, {
    emulator: entra, upstreams, routes, server: { limits: { invalidCookiesPerMinute: 10 }, trustedProxies: ['127.0.0.0/8'] }
  })
  limited.clock.stop()
  const fields = [['X-Forwarded-For', '198.51.100.7']] as const
  const token = await userToken(entra)
  t.equal((await call(t, limited.port, '/x', { token, fields })).status, 200)
  const found: Record<number, number> = {}
  for (let i = 0; i < 15; i++) {
    const { status } = await call(t, limited.port, '/x', { token: `a.b.${i}`, fields })
    found[status] = (found[status] ?? 0) + 1
  }
  t.strictSame(found, { 401: 10, 429: 5 })
  t.equal((await call(t, limited.port, '/x', { token, fields })).status, 200)
  const fresh = await userToken(entra, 'bob@contoso.example')
  t.equal((await call(t, limited.port, '/x', { token: fresh, fields })).status, 429, 'nobody looks at it')
  t.equal((await call(t, limited.port, '/x', { token: fresh, fields: [['X-Forwarded-For', '198.51.100.9']] })).status, 200)
  t.equal((await call(t, limited.port, '/x', { token: fresh, fields })).status, 200, 'it is known now')
  t.equal((await call(t, limited.port, '/x', { token: 'a.b.c', fields: [['X-Forwarded-For', '198.51.100.8']] })).status, 401, 'another address')
})

t.test('C14.8 tokens under made up keys do not make the gateway ask for keys each time', async t => {
  const before = entra.requests().filter(({ endpoint }) => endpoint === 'jwks').length
  for (let i = 0; i < 20; i++) t.equal((await call(t, port, '/x', { token: await entra.admin.forge({ claims: user, key: 'unknown', header: { kid: `k${i}` } }) })).status, 401)
  t.ok(entra.requests().filter(({ endpoint }) => endpoint === 'jwks').length - before <= 1)
})

t.test('keys that cannot be had are 503, and not the client\'s fault', async t => {
  const away = await startEntra(t)
  const alone = await startGateway(t, { emulator: away, upstreams, routes })
  const token = await userToken(away)
  t.equal((await call(t, alone.port, '/x', { token })).status, 200)
  await away.close()
  alone.clock.advance(25 * 3600)
  const late = await call(t, alone.port, '/x', { token })
  t.equal(late.status, 503)
  t.equal(late.header('scopegate-error'), 'SG_PROVIDER_UNAVAILABLE')
})
