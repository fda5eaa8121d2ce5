/**
 * Providers that are not Entra ID for organisations, by `authorityMetadata`: External ID, a B2C user flow, AD FS. Their
 * tokens are as their documentation has them; no such service was asked.
 */
import t, { type Test } from 'tap'
import { fails } from './support/fails.ts'
import { createGateway, newestClaims, orders, ordersScopes } from './support/gateway.ts'
import { alice, bob, startProvider, tenant, tokens } from './support/provider.ts'

const otherTenant = '55555555-5555-4555-8555-555555555555'

interface Provider {
  /** Path of the endpoints. */
  readonly base: string
  readonly issuer: string
  readonly userClaim: 'oid' | 'sub'
  /** Laid over Entra's ID token. */
  readonly claims: Record<string, unknown>
  /** Laid over Entra's token response. */
  readonly answer?: Record<string, unknown>
}

const policy = 'b2c_1_sign_in'
const providers: Record<string, Provider> = {
  'External ID': {
    base: `${tenant}`, issuer: `https://${tenant}.ciamlogin.com/${tenant}/v2.0`, userClaim: 'oid', claims: {}
  },
  B2C: {
    base: `contoso.onmicrosoft.com/${policy}`,
    issuer: `https://contoso.b2clogin.com/${tenant}/v2.0/`,
    userClaim: 'sub',
    claims: { ver: '1.0', tid: undefined, oid: undefined, sub: alice, tfp: policy },
    answer: { client_info: Buffer.from(JSON.stringify({ uid: `${alice}-${policy}`, utid: tenant })).toString('base64url') }
  },
  'AD FS': {
    base: 'adfs',
    issuer: 'https://sts.contoso.example/adfs',
    userClaim: 'sub',
    claims: { ver: '1.0', tid: undefined, oid: undefined, nbf: undefined, sub: 'dGhlIG9wYXF1ZQ+/=' },
    answer: { client_info: undefined }
  }
}

async function start (t: Test, { base, issuer, userClaim, claims, answer }: Provider) {
  const entra = await startProvider(t)
  entra.idClaims = { iss: issuer, ...claims }
  entra.onToken = async ({ form }) => ({ body: { ...await tokens(entra, form), ...answer } })
  entra.onDocument = path => path === `/${base}/keys` ? { body: { keys: [entra.key.jwk] } } : { status: 404, body: {} }
  const at = `${entra.origin}/${base}`
  const gateway = await createGateway(t, entra, {
    entra: {
      initialScopes: ordersScopes,
      authorityMetadata: {
        issuer,
        authorizationEndpoint: `${at}/oauth2/v2.0/authorize`,
        tokenEndpoint: `${at}/oauth2/v2.0/token`,
        jwksUri: `${at}/keys`,
        endSessionEndpoint: `${at}/logout?p=1`,
        userClaim
      }
    }
  })
  return { entra, at, ...gateway }
}

for (const [name, provider] of Object.entries(providers)) {
  t.test(`${name}: a sign-in, a token out of the record, another from the provider, a sign-out`, async t => {
    const { entra, at, provider: running, clock, signIn, holder } = await start(t, provider)
    const session = await signIn()
    const user = provider.claims.sub ?? alice
    t.match(session.account, { tid: tenant, oid: user })
    t.strictSame(entra.paths, [`/${provider.base}/keys`, `/${provider.base}/oauth2/v2.0/token`], 'at the endpoints as they are written')

    t.match(await running.acquire(holder(session.account), orders), { kind: 'token', source: 'cache' })
    t.equal(entra.calls.length, 1)
    clock.advance(4_000_000)
    t.match(await running.acquire(holder(session.account), orders), { kind: 'token', source: 'refresh' })
    t.strictSame(entra.calls.map(({ form }) => form.get('grant_type')), ['authorization_code', 'refresh_token'])
    t.match(entra.calls[1]!.url, `/${provider.base}/oauth2/v2.0/token`)

    const request = { state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43), scopes: [] }
    t.match(await running.signInUrl(request), `${at}/oauth2/v2.0/authorize?`)
    const out = await running.signOutUrl(session, { postLogoutRedirectUri: 'http://localhost:8080/', dropAccount: true })
    t.match(out, `${at}/logout?p=1&post_logout_redirect_uri=`)
  })

  t.test(`${name}: newer claims come with the scopes of a sign-in, without which there may be no answer`, async t => {
    const { entra, provider: running, clock, signIn } = await start(t, provider)
    const session = await signIn()
    const { iat } = (await newestClaims(running, session.account))!
    clock.advance(3_600_000)
    entra.idClaims = { ...entra.idClaims, roles: ['Reader'] }
    t.match(await running.renewClaims(session, Number(iat)), { kind: 'claims', claims: { roles: ['Reader'] } })
    t.ok(entra.calls[1]!.form.get('scope')!.split(' ').includes(ordersScopes[0]!))
  })

  t.test(`${name}: a token of anybody else is refused`, async t => {
    const { entra, signIn } = await start(t, provider)
    const strange: Record<string, Record<string, unknown>> = {
      'another issuer': { iss: `${provider.issuer}x` },
      'the issuer without its end': { iss: provider.issuer.slice(0, -1) },
      'another tenant': { tid: otherTenant },
      'another application': { aud: otherTenant },
      nobody: { sub: undefined, oid: undefined },
      'a name without end': { sub: 'x'.repeat(256), oid: 'x'.repeat(256) },
      'no times': { exp: undefined },
      'no time of issue': { iat: undefined }
    }
    for (const [what, claims] of Object.entries(strange)) {
      entra.idClaims = { iss: provider.issuer, ...provider.claims, ...claims }
      await fails(t, signIn(), { code: 'SG_SIGN_IN_REFUSED' }, what)
    }
  })
}

t.test('a token without the claim that names users says which setting that is', async t => {
  const { signIn } = await start(t, { ...providers.B2C!, userClaim: 'oid' })
  await fails(t, signIn(), { code: 'SG_SIGN_IN_REFUSED', cause: { code: /userClaim/ } })
})

t.test('a user is whom the configured claim names, whatever the other says', async t => {
  const { entra, signIn } = await start(t, { ...providers.B2C!, claims: { ...providers.B2C!.claims, oid: bob } })
  t.match((await signIn()).account, { oid: alice })
  entra.idClaims = { ...entra.idClaims, sub: bob, oid: alice }
  t.match((await signIn()).account, { oid: bob })
})

t.test('a renewal that comes back for another user is not used', async t => {
  const { entra, provider, clock, signIn } = await start(t, providers.B2C!)
  const session = await signIn()
  entra.idClaims = { ...entra.idClaims, sub: bob }
  clock.advance(4_000_000)
  await fails(t, provider.acquire(session, orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
})
