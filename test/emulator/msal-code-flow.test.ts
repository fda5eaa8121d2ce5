/** Conformance check 1-3: MSAL Node discovers the emulator, signs a user in, and gets tokens silently. */
import t from 'tap'
import { ConfidentialClientApplication, type INetworkModule } from '@azure/msal-node'
import { decodeJwt } from 'jose'
import { configWith } from './support/config.ts'
import { startWorld } from './support/world.ts'
import { accountOf, CALLBACK, CONTOSO, GATEWAY, ORDERS, signIn } from './support/msal.ts'

const ALICE = '33333333-3333-4333-8333-333333333331'

t.test('a code flow gives the account uid.utid, an ID token and an access token for one resource', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const result = await signIn(msal(), browser)
  t.equal(accountOf(result).homeAccountId, `${ALICE}.${CONTOSO}`)
  t.equal(result.tenantId, CONTOSO)
  t.strictSame(result.scopes, ['api://orders/Orders.Read'])
  const idToken = decodeJwt(result.idToken)
  t.match(idToken, { aud: GATEWAY, iss: `${entra.origin}/${CONTOSO}/v2.0`, oid: ALICE, tid: CONTOSO, nonce: 'the-nonce', roles: ['Orders.Admin'], ver: '2.0' })
  t.match(decodeJwt(result.accessToken), { aud: ORDERS, scp: 'Orders.Read', azp: GATEWAY, azpacr: '1' })
  t.strictSame(entra.requests().map(({ endpoint }) => endpoint), ['metadata', 'authorize', 'token'], 'no instance discovery')
})

t.test('silent calls: the same scope comes from the cache, another resource by the refresh token', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  const first = await signIn(client, browser, { askedScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read', 'User.Read'] })
  const account = accountOf(first)
  const calls = () => entra.requests().filter(({ endpoint }) => endpoint === 'token').length
  const again = await client.acquireTokenSilent({ account, scopes: ['api://orders/Orders.Read'] })
  t.equal(again.fromCache, true)
  t.equal(calls(), 1)
  const reports = await client.acquireTokenSilent({ account, scopes: ['api://reports/Reports.Read'] })
  t.match(decodeJwt(reports.accessToken), { scp: 'Reports.Read' })
  t.equal(calls(), 2)
})

t.test('way C: a Microsoft authority over a network that is a function, with production cache keys', async (t) => {
  const config = configWith({ config: { issuerMode: 'microsoft' } })
  const { entra } = await startWorld(t, { config, allowMicrosoftIssuer: true })
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'] })
  const asked: string[] = []
  type Options = { headers?: Record<string, string>, body?: string }
  const send = async (method: 'GET' | 'POST', url: string, options: Options = {}) => {
    asked.push(new URL(url).host)
    const { pathname, search } = new URL(url)
    const { headers = {}, body } = options
    const payload = body === undefined ? {} : { payload: body }
    const answer = await entra.inject({ method, url: pathname + search, headers, ...payload })
    return { status: answer.statusCode, headers: {}, body: answer.json() as never }
  }
  const networkClient: INetworkModule = {
    sendGetRequestAsync: (url, options) => send('GET', url, options),
    sendPostRequestAsync: (url, options) => send('POST', url, options)
  }
  const auth = { clientId: GATEWAY, clientSecret: 'gw-secret', authority: `https://login.microsoftonline.com/${CONTOSO}` }
  const client = new ConfidentialClientApplication({ auth, system: { networkClient } })
  const { code } = entra.admin.login({ user: 'alice@contoso.example', client: 'Gateway', redirectUri: CALLBACK })
  const result = await client.acquireTokenByCode({ code, scopes: ['api://orders/Orders.Read'], redirectUri: CALLBACK })
  t.equal(result.account?.environment, 'login.windows.net')
  t.equal(decodeJwt(result.idToken).iss, `https://login.microsoftonline.com/${CONTOSO}/v2.0`)
  t.ok(asked.every((host) => host === 'login.microsoftonline.com'))
})
