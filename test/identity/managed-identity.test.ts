/** The token of a managed identity as assertion, as App Service hands it out: kept, renewed in time, asked for anew. */
import { decodeJwt, UnsecuredJWT } from 'jose'
import t, { type Test } from 'tap'
import { startTokenService } from '../support/azure.ts'
import { until } from '../support/redis.ts'
import { fails } from './support/fails.ts'
import { createGateway } from './support/gateway.ts'
import { startProvider } from './support/provider.ts'

const hour = 3_600_000

// What MSAL asks is settled when it asks first: one service for the whole file.
t.test('a managed identity of App Service', async t => {
  const service = await startTokenService(t)
  process.env.IDENTITY_ENDPOINT = `${service.origin}/msi/token`
  process.env.IDENTITY_HEADER = 'secret-of-the-app'
  let issued = 0
  t.beforeEach(() => {
    service.asked.length = 0
    issued = 0
    service.answer = () => new UnsecuredJWT({ n: ++issued }).encode()
  })

  async function start (t: Test, tokenExchangeUrl?: string) {
    const entra = await startProvider(t)
    const gateway = await createGateway(t, entra, {
      entra: {
        clientCredentials: [{ sourceType: 'SignedAssertionFromManagedIdentity', ...(tokenExchangeUrl === undefined ? {} : { tokenExchangeUrl }) }]
      }
    })
    return { entra, gateway, used: () => entra.calls.map(({ form }) => decodeJwt(form.get('client_assertion')!).n) }
  }

  t.test('is asked at the address and with the secret of the environment', async t => {
    const { gateway, used } = await start(t, 'api://AzureADTokenExchangeChina')
    await Promise.all([gateway.signIn(), gateway.signIn(), gateway.signIn()])
    t.equal(service.asked.length, 1, 'once for all who need it')
    t.match(service.asked, [{
      path: '/msi/token', resource: 'api://AzureADTokenExchangeChina', clientId: null, headers: { 'x-identity-header': 'secret-of-the-app' }
    }])
    t.strictSame(used(), [1, 1, 1])
    t.notMatch(JSON.stringify(gateway.logged), /secret-of-the-app/)
  })

  t.test('is asked again after half a token\'s life, behind the requests', async t => {
    const { gateway, used } = await start(t)
    await gateway.signIn()
    gateway.clock.advance(11 * hour)
    await gateway.signIn()
    t.equal(service.asked.length, 1)
    gateway.clock.advance(2 * hour)
    await gateway.signIn()
    await until('a second token', () => service.asked.length === 2)
    await gateway.signIn()
    t.strictSame(used(), [1, 1, 1, 2])
  })

  t.test('that refuses does not matter while the token is good, and then it does', async t => {
    const { gateway, used } = await start(t)
    await gateway.signIn()
    service.answer = () => 400
    gateway.clock.advance(23 * hour)
    await gateway.signIn()
    t.strictSame(used(), [1, 1])
    gateway.clock.advance(2 * hour)
    await fails(t, gateway.signIn(), { code: 'SG_PROVIDER_MISCONFIGURED' })
  })

  t.test('C12.6 is asked again when the provider rejects its token', async t => {
    const { entra, gateway, used } = await start(t)
    await gateway.signIn()
    gateway.clock.advance(60_000)
    entra.onToken = ({ form }) => decodeJwt(form.get('client_assertion')!).n === 1
      ? { status: 401, body: { error: 'invalid_client', error_codes: [700024], error_description: 'AADSTS700024' } }
      : undefined
    await gateway.signIn()
    t.strictSame(used(), [1, 1, 2])
  })

  t.test('that does not answer is an outage, not a mistake', async t => {
    const { entra, gateway } = await start(t)
    service.answer = async () => await new Promise<string>(() => {})
    await fails(t, gateway.signIn(), { code: 'SG_PROVIDER_UNAVAILABLE' })
    t.equal(entra.calls.length, 0)
  })
})
