/** Conformance checks 9 and 10: certificate assertions, client credentials and on-behalf-of, as MSAL does them. */
import t from 'tap'
import { decodeJwt } from 'jose'
import { createClientCertificate } from './support/client-certificate.ts'
import { configWith } from './support/config.ts'
import { accountOf, GATEWAY, ORDERS, signIn } from './support/msal.ts'
import { startWorld } from './support/world.ts'

const certificate = createClientCertificate()

t.test("MSAL's PS256 assertion is accepted, and again while it is the same one", async (t) => {
  const config = configWith({ apps: { Gateway: { certificates: [{ pem: certificate.pem }] } } })
  const { entra, browser, msal } = await startWorld(t, { config })
  const thumbprintSha256 = certificate.thumbprint('sha256', 'hex')
  const clientCertificate = { thumbprintSha256, privateKey: certificate.privateKeyPem, x5c: certificate.pem }
  const client = msal({ auth: { clientCertificate } })
  const result = await signIn(client, browser)
  t.equal(decodeJwt(result.accessToken).azpacr, '2')
  await client.acquireTokenSilent({ account: accountOf(result), scopes: ['api://orders/Orders.Read'], forceRefresh: true })
  const assertions = entra.requests().filter(({ endpoint }) => endpoint === 'token').map(({ parameters }) => parameters.client_assertion)
  t.equal(assertions.length, 2)
  t.match(assertions[0], /^sha256:/, 'masked in the log')
  t.equal(assertions[1], assertions[0], 'one assertion, used twice')
})

t.test('client credentials give exactly four members and an app-only token', async (t) => {
  const { entra, msal } = await startWorld(t)
  const result = await msal().acquireTokenByClientCredential({ scopes: ['api://orders/.default'] })
  const claims = decodeJwt(result!.accessToken)
  t.match(claims, { aud: ORDERS, azp: GATEWAY, roles: ['Orders.Read.All'] })
  t.equal(claims.oid, claims.sub, 'the service principal is the subject')
  t.notOk('scp' in claims || 'idtyp' in claims || 'sid' in claims)
  const [request] = entra.requests().filter(({ endpoint }) => endpoint === 'token')
  t.match(request?.parameters, { grant_type: 'client_credentials', scope: 'api://orders/.default', client_secret: '***' })
})

t.test('on-behalf-of turns a user token for the gateway into one for the API', async (t) => {
  const { entra, msal } = await startWorld(t)
  const assertion = await entra.admin.token({ user: 'alice@contoso.example', client: 'Command-line client', scope: `${GATEWAY}/access_as_user` })
  const exchange = () => msal().acquireTokenOnBehalfOf({ oboAssertion: assertion, scopes: ['api://orders/.default'] })
  await t.rejects(exchange(), { name: 'InteractionRequiredAuthError', subError: 'consent_required' }, 'there is no page here to consent on')
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read', 'Orders.Write'] })
  const result = await exchange()
  t.match(decodeJwt(result!.accessToken), { aud: ORDERS, azp: GATEWAY, scp: 'Orders.Read Orders.Write', oid: '33333333-3333-4333-8333-333333333331' })
})
