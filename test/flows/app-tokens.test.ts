/** This file checks routes whose upstream gets the gateway's own token, whoever the user is. */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { createVerifier } from '../support/jwt.ts'
import { exchange } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const upstream = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: {
    orders: { url: upstream.origin, scopes: ['api://orders/Orders.Read'] },
    reports: { url: upstream.origin, scopes: ['api://reports/.default'] }
  },
  routes: [
    { path: '/jobs/*', upstream: 'orders', token: 'app', scopes: ['api://orders/.default'], identityHeaders: 'standard' },
    { path: '/admin/*', upstream: 'orders', token: 'app', scopes: ['api://orders/.default'], allow: { roles: ['Orders.Admin'] } },
    { path: '/optional/*', upstream: 'orders', token: 'app', scopes: ['api://orders/.default'], access: 'optional' },
    { path: '/reports/*', upstream: 'reports', token: 'app' },
    { path: '/orders/*', upstream: 'orders' },
    { path: '/*', upstream: 'orders', token: 'none' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { port, url } = gateway
const verify = await createVerifier(entra)
const alice = (await signIn(t, { url, entra })).cookie
const bob = (await signIn(t, { url, entra, user: 'bob@contoso.example' })).cookie
const appCalls = () => entra.requests().filter(({ parameters }) => parameters.grant_type === 'client_credentials').length

t.test('every user\'s request carries the same token of the gateway, and says whose request it is', async t => {
  const seen = await Promise.all([alice, bob, alice, bob].map(async cookie => {
    const answer = await exchange(t, port, { target: '/jobs/x', cookie })
    t.equal(answer.status, 200)
    return JSON.parse(answer.text()).headers
  }))
  t.equal(new Set(seen.map(headers => headers.authorization)).size, 1)
  t.equal(new Set(seen.map(headers => headers['x-forwarded-user'])).size, 2)
  const claims = await verify(seen[0].authorization)
  t.match(claims, { aud: '44444444-4444-4444-8444-444444444444', azp: '22222222-2222-4222-8222-222222222222', roles: ['Orders.Read.All'] })
  t.equal(claims.scp, undefined, 'no user is behind it')
  t.equal(appCalls(), 1)
})

t.test('C14.9 it is for those who were let in: nobody else\'s request carries it', async t => {
  const before = upstream.seen.length
  t.equal((await exchange(t, port, { target: '/jobs/x' })).status, 401)
  t.equal((await exchange(t, port, { target: '/admin/x', cookie: bob })).status, 403)
  t.equal(upstream.seen.length, before)
  t.equal((await exchange(t, port, { target: '/admin/x', cookie: alice })).status, 200)
  t.match(upstream.seen.at(-1)?.headers.authorization, /^Bearer eyJ/)
  t.equal((await exchange(t, port, { target: '/optional/x' })).status, 200)
  t.equal(upstream.seen.at(-1)?.headers.authorization, undefined, 'anonymous')
  t.equal((await exchange(t, port, { target: '/optional/x', cookie: bob })).status, 200)
  t.match(upstream.seen.at(-1)?.headers.authorization, /^Bearer eyJ/)
})

t.test('the user\'s route beside it gets the user\'s token', async t => {
  const answer = await exchange(t, port, { target: '/orders/x', cookie: bob })
  t.match(await verify(JSON.parse(answer.text()).headers.authorization), { preferred_username: 'bob@contoso.example', scp: 'Orders.Read' })
})

t.test('a refusal of the provider is 502, for a page too, and redirects nobody', async t => {
  entra.admin.fault({ endpoint: 'token', match: { grant_type: 'client_credentials' }, aadsts: 501051 })
  const fields = [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document']] as const
  const before = upstream.seen.length
  for (let i = 0; i < 2; i++) {
    const answer = await exchange(t, port, { target: '/reports/x', cookie: alice, fields })
    t.equal(answer.status, 502)
    t.equal(answer.header('scopegate-error'), 'SG_PROVIDER_MISCONFIGURED')
    t.notMatch(answer.text(), /AADSTS|assigned/)
  }
  t.equal(upstream.seen.length, before)
  t.match(gateway.logged(), /"code":"SG_PROVIDER_MISCONFIGURED","cause":"ProviderRefusal AADSTS501051"/)
  gateway.clock.advance(2000)
  t.equal((await exchange(t, port, { target: '/reports/x', cookie: alice })).status, 200, 'mended')
})
