/** Learning the provider's endpoints. */
import t from 'tap'
import { parseMetadata } from '../../src/identity/metadata.ts'
import { fails } from './support/fails.ts'
import { createGateway } from './support/gateway.ts'
import { metadataOf, startProvider, tenant } from './support/provider.ts'

const instance = 'https://login.example/'
const otherTenant = '55555555-5555-4555-8555-555555555555'
const document = metadataOf('https://login.example', tenant)

t.test('a document of the configured tenant is taken', async t => {
  const learned = parseMetadata({ ...document, frontchannel_logout_supported: true }, instance, tenant)
  t.match(learned, { issuer: `${instance}${tenant}/v2.0`, jwksUri: String, endSessionEndpoint: String })
  t.strictSame(JSON.parse(learned.json), document, 'what MSAL does not need is left out')
  t.ok(parseMetadata(metadataOf('https://login.example', 'organizations'), instance, 'organizations'))
  t.ok(parseMetadata(document, instance, 'contoso.example'), 'a domain: the issuer names the tenant')
})

t.test('a document that speaks for somebody else is not', async t => {
  const strange: [string, object, string][] = [
    ['another tenant\'s issuer', { issuer: `${instance}${otherTenant}/v2.0` }, tenant],
    ['the template for one tenant', { issuer: `${instance}{tenantid}/v2.0` }, tenant],
    ['the template for a domain', { issuer: `${instance}{tenantid}/v2.0` }, 'contoso.example'],
    ['one tenant for many', {}, 'organizations'],
    ['an issuer elsewhere', { issuer: `https://evil.example/${tenant}/v2.0` }, tenant],
    ['an issuer with more behind', { issuer: `${instance}${tenant}/v2.0/x` }, tenant],
    ['a v1 issuer', { issuer: `https://sts.windows.net/${tenant}/` }, tenant],
    ['keys elsewhere', { jwks_uri: 'https://evil.example/keys' }, tenant],
    ['tokens elsewhere', { token_endpoint: 'https://login.example.evil/token' }, tenant],
    ['sign-in elsewhere', { authorization_endpoint: 'http://login.example/authorize' }, tenant],
    ['sign-out elsewhere', { end_session_endpoint: 'javascript:alert(1)' }, tenant],
    ['no keys', { jwks_uri: undefined }, tenant],
    ['no text', { token_endpoint: 7 }, tenant]
  ]
  for (const [name, members, tenantId] of strange) {
    t.throws(() => parseMetadata({ ...document, ...members }, instance, tenantId), TypeError, name)
  }
})

t.test('the gateway starts while the provider is away, and is ready when it is back', async t => {
  const entra = await startProvider(t)
  let away = true
  entra.onDocument = () => away ? { status: 404, body: {} } : undefined
  const { provider, logged } = await createGateway(t, entra, { random: () => 0 })
  const request = { state: 's', nonce: 'n', codeChallenge: 'c', scopes: [] }
  await fails(t, provider.signInUrl(request), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.notOk(provider.isReady())
  await new Promise(resolve => setTimeout(resolve, 200))
  t.match(logged, [{ level: 'warn', message: /metadata/ }])
  away = false
  await provider.ready
  t.ok(provider.isReady())
  t.match(await provider.signInUrl(request), /^https:/)
})

t.test('without signing keys nobody is ready', async t => {
  const entra = await startProvider(t)
  entra.onDocument = path => path.endsWith('/keys') ? { body: { keys: [] } } : undefined
  const { provider } = await createGateway(t, entra)
  await new Promise(resolve => setTimeout(resolve, 200))
  t.notOk(provider.isReady())
})
