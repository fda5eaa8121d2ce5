/** This file checks requests with a bearer token and without a session: whose they are, and where they get. */
import t from 'tap'
import { appToken, call, claimsOf, cliId, daemonId, userToken } from '../support/api-client.ts'
import { startEntra, startGateway, tenant } from '../support/gateway.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = '33333333-3333-4333-8333-333333333331'
const bob = '33333333-3333-4333-8333-333333333332'
const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/optional/*', upstream: 'app', access: 'optional', identityHeaders: 'standard' },
    { path: '/admin/*', upstream: 'app', allow: { roles: ['Orders.Admin'] }, identityHeaders: 'standard' },
    { path: '/named/*', upstream: 'app', allow: { users: [`${tenant}/${daemonId}`] } },
    { path: '/denied/*', upstream: 'app', deny: { users: [`${tenant}/${bob}`] } },
    { path: '/tenant/*', upstream: 'app', allow: { tenants: [tenant] } },
    { path: '/jobs/*', upstream: 'app', token: 'app', scopes: ['api://orders/.default'], allow: { roles: ['Orders.Admin'] } },
    { path: '/context/*', upstream: 'app', requireAuthContext: 'c1', deny: { roles: ['Nobody'] } },
    { path: '/context-jobs/*', upstream: 'app', requireAuthContext: 'c1', allow: { roles: ['Orders.Admin'] } },
    { path: '/easyauth/*', upstream: 'app', identityHeaders: 'easyauth' },
    { path: '/posts/*', methods: ['GET', 'POST'], upstream: 'app' },
    { path: '/*', upstream: 'app', identityHeaders: 'standard' }
  ]
})
const { port } = gateway
const last = () => app.seen.at(-1)!.headers

t.test('a user\'s token says who asks, and goes no further than the gateway', async t => {
  const token = await userToken(entra)
  const answer = await call(t, port, '/x', { token })
  t.equal(answer.status, 200)
  t.match(last(), { 'x-forwarded-user': alice, 'x-forwarded-preferred-username': 'alice@contoso.example' })
  t.equal(last().authorization, undefined)
  t.strictSame(answer.all('set-cookie'), [])
  t.equal((await call(t, port, '/easyauth/x', { token: await userToken(entra, 'bob@contoso.example') })).status, 200)
  t.equal(last()['x-ms-client-principal-id'], bob)
  const principal = JSON.parse(Buffer.from(String(last()['x-ms-client-principal']), 'base64').toString())
  t.ok(principal.claims.some(({ typ, val }: { typ: string, val: string }) => typ === 'azp' && val === cliId))
})

t.test('the rules of a route are about its claims', async t => {
  const [admin, other] = [await userToken(entra), await userToken(entra, 'bob@contoso.example')]
  const rows = [['/admin/x', 200, 403], ['/named/x', 403, 403], ['/denied/x', 200, 403], ['/tenant/x', 200, 200]] as const
  for (const [target, forAdmin, forOther] of rows) {
    t.equal((await call(t, port, target, { token: admin })).status, forAdmin, target)
    t.equal((await call(t, port, target, { token: other })).status, forOther, target)
  }
})

t.test('C14.6 an app without a user passes where a rule names its role, or itself, and nowhere else', async t => {
  const plain = await appToken(entra)
  const withRole = await appToken(entra, { roles: ['Orders.Admin'] })
  const marked = await appToken(entra, { idtyp: 'app', roles: ['Other'] })
  const rows = [
    ['/x', 403, 403, 403], ['/tenant/x', 403, 403, 403], ['/denied/x', 403, 403, 403], ['/optional/x', 403, 403, 403],
    ['/admin/x', 403, 200, 403], ['/named/x', 200, 200, 200], ['/jobs/x', 403, 200, 403], ['/public/x', 200, 200, 200]
  ] as const
  for (const [target, ...expected] of rows) {
    for (const [i, token] of [plain, withRole, marked].entries()) {
      const answer = await call(t, port, target, { token })
      t.equal(answer.status, expected[i], `${target} ${i}`)
      if (expected[i] === 403) t.equal(answer.header('scopegate-error'), 'SG_ACCESS_DENIED')
    }
  }
  await call(t, port, '/admin/x', { token: withRole })
  t.equal(last()['x-forwarded-user'], daemonId)
  await call(t, port, '/jobs/x', { token: withRole })
  t.match(last().authorization, /^Bearer eyJ/, 'the gateway\'s own token')
  t.not(last().authorization, `Bearer ${withRole}`)
})

t.test('an authentication context that its token lacks is 403 with the claims to ask the provider for', async t => {
  const refused = await call(t, port, '/context/x', { token: await userToken(entra) })
  t.equal(refused.status, 403)
  t.match(refused.json(), { code: 'SG_ACCESS_DENIED' })
  t.same(claimsOf(refused), { access_token: { acrs: { essential: true, value: 'c1' } } })
  t.equal(refused.header('location'), undefined)
  t.equal((await call(t, port, '/context/x', { token: await userToken(entra, undefined, { contexts: ['c2', 'c1'] }) })).status, 200)
  const app = await call(t, port, '/context-jobs/x', { token: await appToken(entra, { roles: ['Orders.Admin'] }) })
  t.equal(app.status, 403)
  t.equal(app.header('www-authenticate'), undefined, 'an app has no way to one')
})

t.test('C14.4 it is never redirected, whatever it asks for and however it asks', async t => {
  const token = await userToken(entra)
  const page = [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document']] as const
  for (const [target, sent, status] of [['/x', 'nonsense', 401], ['/x', `${token}x`, 401], ['/admin/x', await userToken(entra, 'bob@contoso.example'), 403], ['/optional/x', 'nonsense', 401]] as const) {
    const answer = await call(t, port, target, { token: sent, fields: page })
    t.equal(answer.status, status, target)
    t.equal(answer.header('location'), undefined)
    t.equal(answer.header('content-type'), 'application/problem+json')
    t.notOk('loginUrl' in answer.json())
    t.strictSame(answer.all('set-cookie'), [])
    if (status === 401) {
      t.equal(answer.header('www-authenticate'), 'Bearer realm="scopegate", error="invalid_token"')
      t.match(answer.json(), { code: 'SG_TOKEN_INVALID', status: 401 })
    }
  }
})

t.test('no cookie rides on it, so a request that changes something may come from anywhere', async t => {
  const token = await userToken(entra)
  for (const fields of [[], [['Origin', 'https://elsewhere.example'], ['Sec-Fetch-Site', 'cross-site']]] as const) {
    t.equal((await call(t, port, '/posts/x', { method: 'POST', body: 'x', token, fields })).status, 200)
  }
})

t.test('C14.5 a session outweighs a token, good or bad, and its rules about other sites stay', async t => {
  const { cookie } = await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example' })
  for (const token of [await userToken(entra), 'nonsense']) {
    t.equal((await call(t, port, '/x', { token, cookie })).status, 200)
    t.match(last(), { 'x-forwarded-user': bob, authorization: undefined })
    t.equal((await call(t, port, '/admin/x', { token, cookie })).status, 403)
    t.equal((await call(t, port, '/posts/x', { method: 'POST', body: 'x', token, cookie, fields: [['Sec-Fetch-Site', 'cross-site']] })).status, 403)
  }
  t.equal((await call(t, port, '/x', { token: await userToken(entra), cookie: 'scopegate=gone' })).status, 200, 'a cookie that is no session is none')
  t.equal(last()['x-forwarded-user'], alice)
})

t.test('what is nobody\'s is 404 for it, and a place below /.auth knows sessions only', async t => {
  const token = await userToken(entra)
  t.equal((await call(t, port, '/posts/x', { method: 'DELETE', token })).status, 404)
  t.equal((await call(t, port, '/posts/x', { method: 'DELETE', token: 'nonsense' })).status, 401)
  t.equal((await call(t, port, '/.auth/me', { token })).status, 401)
})

t.test('a token is verified once in some minutes, and no longer than it lives', async t => {
  const token = await userToken(entra)
  const before = gateway.logged().split('"event":"api-client"').length
  for (let i = 0; i < 5; i++) t.equal((await call(t, port, '/x', { token })).status, 200)
  t.equal(gateway.logged().split('"event":"api-client"').length, before + 1, 'one line for the audit')
  const line = gateway.logged().split('\n').findLast(one => one.includes('"event":"api-client"'))!
  t.match(JSON.parse(line), { audit: true, client: cliId, isApp: false, user: /^[\w-]{16}$/ })
  t.notMatch(line, alice)
  gateway.clock.advance(2 * 3600)
  t.equal((await call(t, port, '/x', { token })).status, 401)
})
