/** Learning the provider's endpoints. */
import t from 'tap'
import { createMetadataSource, parseMetadata } from '../../src/identity/metadata.ts'
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

t.test('C12.8 a document that speaks for somebody else is not', async t => {
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

t.test('C12.1 the gateway starts while the provider is away, and is ready when it is back', async t => {
  const entra = await startProvider(t)
  let away = true
  entra.onDocument = () => away ? { status: 404, body: {} } : undefined
  const { provider, logged } = await createGateway(t, entra, { random: () => 0 })
  const request = { state: 's', nonce: 'n', codeChallenge: 'c', scopes: [] }
  await fails(t, provider.signInUrl(request), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.notOk(provider.isReady())
  while (logged.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  t.match(logged, [{ level: 'warn', message: /metadata/ }])
  away = false
  await provider.ready
  t.ok(provider.isReady())
  t.match(await provider.signInUrl(request), /^https:/)
})

t.test('C12.8 it is fetched again, and an issuer that has changed is not taken', async t => {
  const issuers = [tenant, tenant, otherTenant].map(tid => `${instance}${tid}/v2.0`)
  const documents = issuers.map((issuer, n) => ({ ...document, issuer, jwks_uri: `${instance}${n}` }))
  let fetches = 0
  const warnings: { err: Error }[] = []
  const log = { info () {}, warn (fields: object) { warnings.push(fields as { err: Error }) }, error () {} }
  const network = { getDocument: async () => documents[Math.min(fetches++, 2)]! }
  const source = createMetadataSource({
    instance, tenantId: 'contoso.example', network, log, random: () => 0, onLearned: async () => {}, refreshMs: 20
  })
  t.teardown(source.close)
  await source.ready
  t.equal(source.current().jwksUri, `${instance}0`)
  while (warnings.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.equal(source.current().jwksUri, `${instance}1`)
  t.match(warnings[0], { err: { message: /issuer has changed/ } })
})

t.test('C12.1 what cannot be fetched is tried again after a second, two, four', async t => {
  const at: number[] = []
  const log = { info () {}, warn () {}, error () {} }
  const network = { getDocument: async () => { at.push(performance.now()); throw new Error('down') } }
  const source = createMetadataSource({
    instance, tenantId: tenant, network, log, random: () => 0, onLearned: async () => {}
  })
  while (at.length < 3) await new Promise(resolve => setTimeout(resolve, 50))
  source.close()
  t.ok(at[1]! - at[0]! > 850 && at[2]! - at[1]! > 1750)
  await new Promise(resolve => setTimeout(resolve, 50))
  t.throws(() => source.current(), { code: 'SG_PROVIDER_UNAVAILABLE' } as never)
})

t.test('without signing keys nobody is ready', async t => {
  const entra = await startProvider(t)
  entra.onDocument = path => path.endsWith('/keys') ? { body: { keys: [] } } : undefined
  const { provider } = await createGateway(t, entra)
  await new Promise(resolve => setTimeout(resolve, 200))
  t.notOk(provider.isReady())
})
