/** Every way a client can prove itself at the token endpoint, and every way it can fail to. */
import { createPrivateKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import t from 'tap'
import { exportJWK, SignJWT } from 'jose'
import { createClientCertificate } from './support/client-certificate.ts'
import { configWith } from './support/config.ts'
import { CONTOSO, GATEWAY } from './support/msal.ts'
import { aadstsOf, postToken } from './support/token-request.ts'
import { startWorld } from './support/world.ts'

const registered = createClientCertificate()
const stranger = createClientCertificate()
const issuerKeys = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ISSUER = 'https://kubernetes.example'
const SUBJECT = 'system:serviceaccount:web:gateway'
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

async function configWithCredentials () {
  const jwk = { ...await exportJWK(issuerKeys.publicKey), kid: 'k1', alg: 'RS256' }
  return configWith({
    apps: {
      Gateway: {
        secrets: [{ value: 'gw-secret' }, { value: 'with:colon and space' }, { value: 'old-secret', expires: '2020-01-01' }],
        certificates: [{ pem: registered.pem }],
        federated: [{ issuer: ISSUER, subject: SUBJECT, jwks: { keys: [jwk] } }]
      },
      Disabled: { clientId: randomUUID(), state: 'disabled', secrets: [{ value: 'gw-secret' }] }
    }
  })
}

const grant = { grant_type: 'client_credentials', scope: 'api://orders/.default' }

t.test('client authentication', async (t) => {
  const { entra, browser } = await startWorld(t, { config: await configWithCredentials() })
  const tokenEndpoint = `${entra.origin}/${CONTOSO}/oauth2/v2.0/token`
  const seconds = () => Math.floor(Date.now() / 1000)

  interface Assertion {
    readonly key?: KeyObject
    readonly header?: Record<string, unknown>
    readonly claims?: Record<string, unknown>
  }

  async function certificateAssertion ({ key = registered.privateKey, header, claims }: Assertion = {}): Promise<string> {
    const named = { alg: 'PS256', 'x5t#S256': registered.thumbprint('sha256', 'base64url') }
    const genuine = { aud: tokenEndpoint, iss: GATEWAY, sub: GATEWAY, jti: randomUUID(), nbf: seconds(), exp: seconds() + 600 }
    return await new SignJWT({ ...genuine, ...claims }).setProtectedHeader({ ...named, ...header } as { alg: string }).sign(key)
  }

  async function federatedAssertion ({ key = issuerKeys.privateKey, claims }: Assertion = {}): Promise<string> {
    return await new SignJWT({ aud: 'api://AzureADTokenExchange', iss: ISSUER, sub: SUBJECT, exp: seconds() + 600, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' }).sign(key)
  }

  const postAssertion = async (assertion: string) =>
    await postToken(browser, { ...grant, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion })

  t.test('secrets in the body', async (t) => {
    t.equal((await postToken(browser, grant)).status, 200)
    const wrong = await postToken(browser, { ...grant, client_secret: 'nope' })
    t.match([wrong.status, wrong.json.error, aadstsOf(wrong)], [401, 'invalid_client', 7000215])
    t.equal(aadstsOf(await postToken(browser, { ...grant, client_secret: 'old-secret' })), 7000222)
    t.equal(aadstsOf(await postToken(browser, { ...grant, no_credential: '1' })), 7000216)
    const code = await postToken(browser, { grant_type: 'refresh_token', refresh_token: `1.${'x'.repeat(1198)}`, no_credential: '1' })
    t.equal(aadstsOf(code), 7000218)
  })

  t.test('secrets by Basic, both parts URL-encoded', async (t) => {
    const send = async (pair: string) => await browser.post(tokenEndpoint, grant, { authorization: `Basic ${Buffer.from(pair).toString('base64')}` })
    t.equal((await send(`${GATEWAY}:${encodeURIComponent('with:colon and space')}`)).status, 200)
    t.equal((await send(`${GATEWAY}:with:colon and space`)).status, 200, 'the first colon divides')
    t.equal((await send(`${GATEWAY}:nope`)).status, 401)
  })

  t.test('certificates', async (t) => {
    t.equal((await postAssertion(await certificateAssertion())).status, 200, 'PS256 with x5t#S256')
    const x5t = registered.thumbprint('sha1', 'base64url')
    t.equal((await postAssertion(await certificateAssertion({ header: { alg: 'RS256', x5t, 'x5t#S256': undefined } }))).status, 200, 'RS256 with x5t')
    const refused = async (assertion: Assertion) => aadstsOf(await postAssertion(await certificateAssertion(assertion)))
    t.equal(await refused({ header: { 'x5t#S256': stranger.thumbprint('sha256', 'base64url') } }), 700027, 'unknown certificate')
    t.equal(await refused({ key: stranger.privateKey }), 700027, 'signed with another key')
    t.equal(await refused({ claims: { exp: seconds() - 400 } }), 700024, 'expired for more than the tolerance')
    t.equal(await refused({ claims: { nbf: seconds() + 400 } }), 700024, 'not valid yet')
    t.equal(await refused({ claims: { aud: 'https://elsewhere.example/token' } }), 700023, 'for somebody else')
    t.equal(await refused({ claims: { sub: randomUUID() } }), 700027, 'sub is not the client')
    t.equal(aadstsOf(await postAssertion('not a jwt')), 700027)
  })

  t.test('federated credentials', async (t) => {
    t.equal((await postAssertion(await federatedAssertion())).status, 200)
    const refused = async (assertion: Assertion) => aadstsOf(await postAssertion(await federatedAssertion(assertion)))
    t.equal(await refused({ claims: { iss: 'https://other.example' } }), 700211)
    t.equal(await refused({ claims: { aud: 'other' } }), 700212)
    t.equal(await refused({ claims: { sub: 'system:serviceaccount:web:other' } }), 700213)
    t.equal(await refused({ claims: { exp: seconds() - 400 } }), 700024)
    t.equal(await refused({ key: createPrivateKey(stranger.privateKeyPem) }), 700027)
  })

  t.test('client ids', async (t) => {
    t.equal(aadstsOf(await postToken(browser, { ...grant, client_id: 'no-guid' })), 700038)
    t.equal(aadstsOf(await postToken(browser, { ...grant, client_id: randomUUID() })), 700016)
    const disabled = entra.config.tenants[0]!.apps!.find(({ name }) => name === 'Disabled')!
    t.equal(aadstsOf(await postToken(browser, { ...grant, client_id: disabled.clientId })), 7000112)
  })
})
