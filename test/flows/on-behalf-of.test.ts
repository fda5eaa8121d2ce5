/** This file checks that an API client's upstream gets a token of the client's user, and what the client learns otherwise. */
import t from 'tap'
import { appToken, call, claimsOf, userToken } from '../support/api-client.ts'
import { clientId, startEntra, startGateway } from '../support/gateway.ts'
import { createVerifier } from '../support/jwt.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const upstream = await startUpstream(t)
/** Wants tokens of the authentication context c1 below /c1, and elsewhere, for each path, another token than the first. */
const firstTokens = new Map<string, string>()
const picky = await startUpstream(t, {
  answer: (request, response) => {
    const { url = '', headers: { authorization = '' } } = request
    const { acrs = [] } = JSON.parse(Buffer.from(authorization.split('.')[1]!, 'base64url').toString())
    if (!firstTokens.has(url)) firstTokens.set(url, authorization)
    const isC1 = url.includes('/c1')
    if (isC1 ? acrs.includes('c1') : firstTokens.get(url) !== authorization) {
      response.end('fine')
      return
    }
    const claims = isC1 ? { acrs: { essential: true, value: 'c1' } } : { nbf: { essential: true, value: '1900000000' } }
    const encoded = Buffer.from(JSON.stringify({ access_token: claims })).toString('base64')
    response.writeHead(401, { 'WWW-Authenticate': `Bearer error="insufficient_claims", claims="${encoded}"` }).end('more')
  }
})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: {
    orders: { url: upstream.origin, scopes: ['api://orders/Orders.Read'] },
    picky: { url: picky.origin, scopes: ['api://orders/Orders.Read'] },
    reports: { url: upstream.origin, scopes: ['api://reports/Reports.Read'] }
  },
  routes: [
    { path: '/orders/*', upstream: 'orders' },
    { path: '/obo/*', upstream: 'orders', token: 'onBehalfOf', allow: { roles: ['Orders.Admin'] } },
    { path: '/picky/*', upstream: 'picky' },
    { path: '/picky-app/*', upstream: 'picky', token: 'app', scopes: ['api://orders/.default'] },
    { path: '/reports/*', upstream: 'reports' },
    { path: '/plain/*', upstream: 'orders', token: 'none' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { port } = gateway
const verify = await createVerifier(entra)
entra.admin.grant({ client: clientId, resource: 'api://orders', scopes: ['Orders.Read'] })
const exchanges = () => entra.requests().filter(({ parameters }) => parameters.requested_token_use === 'on_behalf_of').length
const authorization = () => upstream.seen.at(-1)?.headers.authorization

t.test('the upstream gets a token of that user, for its own API, and one exchange serves many requests', async t => {
  const token = await userToken(entra)
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await call(t, port, '/orders/x', { token })))
  t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
  t.equal(exchanges(), 1)
  t.match(await verify(authorization()), { preferred_username: 'alice@contoso.example', aud: '44444444-4444-4444-8444-444444444444', scp: /Orders\.Read/, azp: clientId })
  t.equal((await call(t, port, '/obo/x', { token })).status, 200)
  t.match(await verify(authorization()), { preferred_username: 'alice@contoso.example' })
  t.equal(exchanges(), 1, 'the same scopes, the same token')
  t.equal((await call(t, port, '/plain/x', { token })).status, 200)
  t.equal(authorization(), undefined)
})

t.test('C14.7 every client\'s user gets their own, and a session its user\'s', async t => {
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/plain/x' })
  const requests = await Promise.all(['alice', 'bob', 'alice', 'bob'].map(async name => ({ name, token: await userToken(entra, `${name}@contoso.example`) })))
  for (let round = 0; round < 3; round++) {
    await Promise.all(requests.map(async ({ name, token }) => {
      const answer = await call(t, port, '/orders/x', { token })
      t.match(await verify(answer.json().headers.authorization), { preferred_username: `${name}@contoso.example` })
    }))
  }
  for (const target of ['/orders/x', '/obo/x']) {
    t.match(await verify((await call(t, port, target, { cookie })).json().headers.authorization), { preferred_username: 'alice@contoso.example' })
  }
})

t.test('a user who has not consented is 403 with the code that says so', async t => {
  const answer = await call(t, port, '/reports/x', { token: await userToken(entra) })
  t.equal(answer.status, 403)
  t.match(answer.json(), { code: 'SG_CONSENT_NEEDED' })
  t.notOk('loginUrl' in answer.json())
  t.equal(answer.header('location'), undefined)
})

t.test('C14.4 a second factor that is missing is 403 with the claims to ask the provider for; with them it passes', async t => {
  entra.admin.setPolicy('MFA for Orders', true)
  t.teardown(() => { entra.admin.setPolicy('MFA for Orders', false) })
  const before = upstream.seen.length
  const answer = await call(t, port, '/orders/x', { token: await userToken(entra, 'carol@contoso.example') })
  t.equal(answer.status, 403)
  t.match(answer.json(), { code: 'SG_ACCESS_DENIED' })
  t.match(answer.header('www-authenticate'), /^Bearer realm="scopegate", error="insufficient_claims", claims="[\w+/]+=*"$/)
  t.match(claimsOf(answer), { access_token: { capolids: { essential: true, values: ['88888888-8888-4888-8888-888888888882'] } } })
  t.equal(upstream.seen.length, before)
  t.equal((await call(t, port, '/orders/x', { token: await userToken(entra, 'carol@contoso.example', { mfa: true }) })).status, 200)
})

t.test('C6.7 an API that wants other claims gets a token with them, or the client is told what to get', async t => {
  const refused = await call(t, port, '/picky/c1', { token: await userToken(entra, 'carol@contoso.example') })
  t.equal(refused.status, 403)
  t.match(claimsOf(refused), { access_token: { acrs: { essential: true, value: 'c1' } } })
  t.equal(refused.header('location'), undefined)
  t.notOk('loginUrl' in refused.json())
  const token = await userToken(entra)
  const before = picky.seen.length
  t.equal((await call(t, port, '/picky/x', { token })).text(), 'fine')
  t.equal(picky.seen.length, before + 2, 'sent once more')
  t.equal((await call(t, port, '/picky/x', { token })).text(), 'fine')
  t.equal(picky.seen.length, before + 3, 'the token with the claims is the one in use')
})

t.test('C6.7 a body that cannot be sent again: the client is told the claims, and its next request passes', async t => {
  const token = await userToken(entra)
  const body = 'x'.repeat(70_000)
  const refused = await call(t, port, '/picky/long', { method: 'POST', token, body })
  t.equal(refused.status, 403)
  t.match(claimsOf(refused), { access_token: { nbf: { value: '1900000000' } } })
  t.equal((await call(t, port, '/picky/long', { method: 'POST', token, body })).text(), 'fine')
})

t.test('C6.7 the gateway\'s own token is replaced when an API says so, and a user\'s never takes its place', async t => {
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/plain/x' })
  const body = 'x'.repeat(70_000)
  const fields = [['Sec-Fetch-Site', 'same-origin']] as const
  const refused = await call(t, port, '/picky-app/x', { method: 'POST', cookie, fields, body })
  t.equal(refused.status, 503, 'come again')
  t.match(refused.header('retry-after'), /^\d+$/)
  t.equal((await call(t, port, '/picky-app/x', { method: 'POST', cookie, fields, body })).text(), 'fine')
  t.equal((await call(t, port, '/picky-app/x', { cookie })).text(), 'fine')
  for (const { headers } of picky.seen.slice(-3)) t.equal((await verify(headers.authorization)).scp, undefined)
})

t.test('what the provider refuses is told by whose it is to mend', async t => {
  const rows = [
    [50013, 401, 'SG_TOKEN_INVALID'], [500133, 401, 'SG_TOKEN_INVALID'], [50057, 401, 'SG_TOKEN_INVALID'],
    [53003, 403, 'SG_SIGN_IN_REFUSED'], [50105, 403, 'SG_SIGN_IN_REFUSED'],
    [500131, 502, 'SG_PROVIDER_MISCONFIGURED'], [7000215, 502, 'SG_PROVIDER_MISCONFIGURED'], [90033, 503, 'SG_PROVIDER_UNAVAILABLE']
  ] as const
  for (const [aadsts, status, code] of rows) {
    entra.admin.fault({ endpoint: 'token', aadsts })
    const answer = await call(t, port, '/orders/x', { token: await userToken(entra) })
    t.equal(answer.status, status, String(aadsts))
    t.match(answer.json(), { code })
    t.notMatch(answer.text(), /AADSTS|loginUrl/)
    if (status === 401) t.match(answer.header('www-authenticate'), /error="invalid_token"$/)
  }
})

t.test('C14.6 an app without a user has nobody on whose behalf there could be a token', async t => {
  const calls = exchanges()
  const token = await appToken(entra, { roles: ['Orders.Admin'] })
  for (const target of ['/obo/x', '/orders/x']) {
    const answer = await call(t, port, target, { token })
    t.equal(answer.status, 403)
    t.match(answer.json(), { code: 'SG_ACCESS_DENIED' })
  }
  t.equal(exchanges(), calls)
  t.match(gateway.logged(), /"event":"access-refused"[^\n]*"by":"no-user"/)
})
