/** Conformance checks 2-5 and 12: what MSAL's cache makes of the emulator's answers. */
import t from 'tap'
import { decodeJwt } from 'jose'
import { startWorld } from './support/world.ts'
import { accountOf, CONTOSO, signIn } from './support/msal.ts'

t.test('with authorityMetadata there is no discovery call', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const base = `${entra.origin}/${CONTOSO}`
  const authorityMetadata = JSON.stringify({
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    issuer: `${base}/v2.0`,
    jwks_uri: `${base}/discovery/v2.0/keys`
  })
  await signIn(msal({ auth: { authorityMetadata } }), browser)
  t.strictSame(entra.requests().map(({ endpoint }) => endpoint), ['authorize', 'token'])
})

t.test('every form of a scope is echoed so that the next silent call is served from the cache', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const forms = [
    ['api://orders/Orders.Read'],
    ['api://orders/Orders.Read', 'api://orders/Orders.Write'],
    ['API://orders/orders.read'],
    ['44444444-4444-4444-8444-444444444444/Orders.Read'],
    ['api://orders/.default'],
    ['User.Read'],
    ['https://graph.microsoft.com/User.Read'],
    ['https://graph.microsoft.com//.default'],
    []
  ]
  entra.admin.grant({ client: 'Gateway', resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  for (const scopes of forms) {
    const client = msal()
    const { account } = await signIn(client, browser, { scopes })
    const before = entra.requests().length
    const silent = await client.acquireTokenSilent({ account: account!, scopes })
    t.equal(silent.fromCache, true, `${scopes.join(' ')} is found in the cache`)
    t.equal(entra.requests().length, before, 'no request was made')
  }
})

t.test('the token response has all consented scopes of the resource, in the form asked for', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read', 'Orders.Write'] })
  const result = await signIn(msal(), browser, { scopes: ['api://orders/Orders.Read'] })
  t.strictSame(result.scopes, ['api://orders/Orders.Read', 'api://orders/Orders.Write'])
  t.equal(decodeJwt(result.accessToken).scp, 'Orders.Read Orders.Write')
  const byDefault = await signIn(msal(), browser, { scopes: ['api://orders/.default'] })
  t.strictSame(byDefault.scopes, ['api://orders/Orders.Read', 'api://orders/Orders.Write', 'api://orders/.default'], '.default stands last')
  const graph = await signIn(msal(), browser, { scopes: ['https://graph.microsoft.com/User.Read'] })
  t.strictSame(graph.scopes, ['openid', 'profile', 'https://graph.microsoft.com/User.Read'], 'OIDC scopes are echoed for Graph')
})

t.test('claims bypass the cache and the answer replaces the cached token; empty and invalid claims are ignored', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  const scopes = ['api://orders/Orders.Read']
  const first = await signIn(client, browser, { scopes })
  const account = accountOf(first)
  for (const claims of ['{}', 'not json']) {
    const ignored = await client.acquireTokenSilent({ account, scopes, claims })
    t.equal(ignored.accessToken, first.accessToken, `${claims} gives the cached token`)
  }
  const claims = JSON.stringify({ access_token: { nbf: { essential: true, value: '1900000000' } } })
  const fresh = await client.acquireTokenSilent({ account, scopes, claims })
  t.equal(fresh.fromCache, false)
  t.not(fresh.accessToken, first.accessToken)
  const cached = await client.acquireTokenSilent({ account, scopes })
  t.equal(cached.accessToken, fresh.accessToken, 'the new token has replaced the old one')
  t.equal(entra.requests().filter(({ endpoint }) => endpoint === 'token').length, 2)
})

t.test('equal concurrent silent calls are one request, different ones use the same refresh token twice', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  const askedScopes = ['api://orders/Orders.Read', 'api://reports/Reports.Read', 'User.Read']
  const account = accountOf(await signIn(client, browser, { askedScopes }))
  const refreshes = () => entra.requests().filter(({ parameters }) => parameters.grant_type === 'refresh_token')
  const reports = { account, scopes: ['api://reports/Reports.Read'] }
  await Promise.all([reports, reports, reports].map((request) => client.acquireTokenSilent({ ...request })))
  t.equal(refreshes().length, 1)

  await Promise.all([
    client.acquireTokenSilent({ account, scopes: ['User.Read'], forceRefresh: true }),
    client.acquireTokenSilent({ ...reports, forceRefresh: true })
  ])
  const [one, two] = refreshes().slice(1)
  t.equal(one?.parameters.refresh_token, two?.parameters.refresh_token, 'the same refresh token')
  t.strictSame([one?.status, two?.status], [200, 200])
})

t.test('refresh_in makes MSAL renew, refresh_token_expires_in makes it refuse locally', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal({ auth: { clientCapabilities: ['cp1'] } })
  const longLived = await signIn(client, browser)
  const { xms_cc: capabilities, exp = 0, nbf = 0 } = decodeJwt(longLived.accessToken)
  t.strictSame(capabilities, ['cp1'])
  t.ok(exp - nbf >= 72_000, 'a token of 20 hours and more')
  t.ok(longLived.refreshOn, 'refresh_in is there')

  entra.admin.fault({ endpoint: 'token', merge: { refresh_token_expires_in: 200, expires_in: 100, ext_expires_in: 100, refresh_in: null } })
  const other = msal()
  const account = accountOf(await signIn(other, browser))
  const before = entra.requests().length
  await t.rejects(other.acquireTokenSilent({ account, scopes: ['api://orders/Orders.Read'] }), {
    name: 'InteractionRequiredAuthError',
    errorCode: 'refresh_token_expired'
  })
  t.equal(entra.requests().length, before, 'without asking anybody')
})
