/** The way to the provider, and what a code is worth. */
import t, { type Test } from 'tap'
import { SignInRequired } from '../../src/errors.ts'
import type { CodeRedemption } from '../../src/identity/provider.ts'
import { fails } from './support/fails.ts'
import {
  createGateway, graph, graphScopes, keyRing, orders, ordersScopes, redirectUri, tokenOf, type Gateway, type GatewayOptions
} from './support/gateway.ts'
import {
  alice, bob, client, createSigningPair, startProvider, tenant, tokens, type Reply, type ScriptedProvider
} from './support/provider.ts'

const codeVerifier = 'v'.repeat(43)
const limits = () => ({ absoluteEndsAt: Date.now() + 3_600_000 })

type Bench = Gateway & { readonly entra: ScriptedProvider }

async function createBench (t: Test, options: GatewayOptions = {}): Promise<Bench> {
  const entra = await startProvider(t)
  const gateway = await createGateway(t, entra, options)
  await gateway.provider.ready
  return { entra, ...gateway }
}

function redemption (more: Partial<CodeRedemption> = {}): CodeRedemption {
  return { code: 'nonce-1', nonce: 'nonce-1', codeVerifier, scopes: ordersScopes, ...more }
}

function refusal (error: string, number: number, more: object = {}): Reply {
  return { status: 400, body: { error, error_codes: [number], error_description: `AADSTS${number}: no`, ...more } }
}

t.test('the sign-in address carries what protects the sign-in, and nothing else decides it', async t => {
  const { provider, entra } = await createBench(t)
  const claims = '{"id_token":{"acrs":{"essential":true,"value":"c1"}}}'
  const url = new URL(await provider.signInUrl({
    state: 'state-1',
    nonce: 'nonce-1',
    codeChallenge: 'c'.repeat(43),
    scopes: [...graphScopes, ...ordersScopes],
    claims,
    loginHint: 'alice@contoso.example',
    domainHint: 'contoso.example',
    prompt: 'login'
  }))
  t.equal(url.origin + url.pathname, `${entra.origin}/${tenant}/oauth2/v2.0/authorize`)
  t.match(Object.fromEntries(url.searchParams), {
    client_id: client,
    response_type: 'code',
    response_mode: 'query',
    redirect_uri: redirectUri,
    state: 'state-1',
    nonce: 'nonce-1',
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
    login_hint: 'alice@contoso.example',
    domain_hint: 'contoso.example',
    prompt: 'login'
  })
  const scopes = url.searchParams.get('scope')!.split(' ')
  for (const scope of [...graphScopes, ...ordersScopes, 'openid', 'profile', 'offline_access']) t.ok(scopes.includes(scope), scope)
  t.match(JSON.parse(url.searchParams.get('claims')!), JSON.parse(claims))
  t.notMatch(url.href, /unused|secret/)
  t.equal(entra.calls.length, 0)
})

t.test('a code is redeemed for one resource, with its verifier', async t => {
  const { provider, entra } = await createBench(t)
  entra.idClaims = { acrs: ['c1'] }
  const claims = '{"id_token":{"acrs":{"essential":true,"value":"c1"}}}'
  const scopes = [...ordersScopes, ...graphScopes]
  const { account, claims: verified } = await provider.redeem(redemption({ scopes, claims }), limits())
  t.strictSame(account, { tid: tenant, oid: alice, homeAccountId: `${alice}.${tenant}`, environment: new URL(entra.origin).host, keyId: 'generated' })
  t.match(verified, { name: 'Alice', nonce: 'nonce-1', iss: `${entra.origin}/${tenant}/v2.0` })
  const { form } = entra.calls[0]!
  t.match(Object.fromEntries(form), {
    grant_type: 'authorization_code',
    code: 'nonce-1',
    code_verifier: codeVerifier,
    redirect_uri: redirectUri,
    client_id: client,
    client_secret: 'gw-secret',
    client_info: '1'
  })
  t.notMatch(form.get('scope')!, /User\.Read/)
  t.match(JSON.parse(form.get('claims')!), JSON.parse(claims))
})

t.test('C5.23 a sign-in whose ID token lacks the context that it asked for is refused, and nothing of it is kept', async t => {
  const { provider, entra, holder } = await createBench(t)
  const { account } = await provider.redeem(redemption(), limits())
  await provider.forgetUser(account)
  const claims = '{"id_token":{"acrs":{"essential":true,"value":"c1"}}}'
  for (const acrs of [undefined, ['c2'], 'c10']) {
    entra.idClaims = { acrs }
    await t.rejects(provider.redeem(redemption({ claims }), limits()), { code: 'SG_SIGN_IN_REFUSED' }, String(acrs))
  }
  t.match(await provider.acquire(holder(account), orders), { kind: 'sign-in-needed', reason: 'sign_in_required' })
  entra.idClaims = { acrs: 'c1' }
  t.match(await provider.redeem(redemption({ claims }), limits()), { claims: { acrs: 'c1' } })
})

t.test('a sign-in without scopes is one', async t => {
  const { provider } = await createBench(t)
  t.match(await provider.redeem(redemption({ scopes: [] }), limits()), { account: { oid: alice } })
})

t.test('what the code brought lives as long as the account\'s last session', async t => {
  const { provider, signIn, holder, clock } = await createBench(t)
  const { account } = await provider.redeem(redemption(), { absoluteEndsAt: clock.now() + 100_000 })
  clock.advance(101_000)
  t.match(await provider.acquire(holder(account), orders), { kind: 'sign-in-needed', reason: 'sign_in_required', endSession: false })
  const long = await signIn()
  await provider.redeem(redemption(), { absoluteEndsAt: clock.now() + 100_000 })
  clock.advance(200_000)
  t.match(await provider.acquire(long, orders), { kind: 'token' }, 'a shorter session does not shorten it')
})

t.test('a session that renews keeps the record for as long as it lives itself', async t => {
  const { provider, holder, clock } = await createBench(t)
  const { account } = await provider.redeem(redemption(), { absoluteEndsAt: clock.now() + 100_000 })
  const long = holder(account)
  t.match(await provider.acquire(long, graph), { source: 'refresh' })
  clock.advance(200_000)
  t.match(await provider.acquire(long, orders), { kind: 'token' })
})

t.test('broken claims are not passed on', async t => {
  const { provider, entra } = await createBench(t)
  const url = new URL(await provider.signInUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43), scopes: [], claims: '{"a":' }))
  t.doesNotThrow(() => JSON.parse(url.searchParams.get('claims') ?? '{}'))
  t.ok(await provider.redeem(redemption({ claims: '{}' }), limits()))
  t.equal(entra.calls.length, 1)
})

const failures: [string, Reply, string][] = [
  ['a code that was used', refusal('invalid_grant', 54005), 'SG_SIGN_IN_EXPIRED'],
  ['a code that is too old', refusal('invalid_grant', 70008), 'SG_SIGN_IN_EXPIRED'],
  ['a wrong verifier', refusal('invalid_grant', 501481), 'SG_SIGN_IN_EXPIRED'],
  ['a user who is not assigned', refusal('invalid_grant', 50105), 'SG_SIGN_IN_REFUSED'],
  ['a user who is blocked', refusal('invalid_grant', 53003, { suberror: 'message_only' }), 'SG_SIGN_IN_REFUSED'],
  ['a wrong secret', { ...refusal('invalid_client', 7000215), status: 401 }, 'SG_PROVIDER_MISCONFIGURED'],
  ['a wrong redirect address', refusal('invalid_client', 500112), 'SG_PROVIDER_MISCONFIGURED'],
  ['an outage', { status: 503, body: '<html>' }, 'SG_PROVIDER_UNAVAILABLE'],
  ['an empty answer', { body: {} }, 'SG_PROVIDER_UNAVAILABLE']
]

for (const [name, reply, code] of failures) {
  t.test(`C12.2 ${name} is ${code}, and the code is sent once`, async t => {
    const { provider, entra } = await createBench(t)
    entra.onToken = () => reply
    await fails(t, provider.redeem(redemption(), limits()), { code })
    t.equal(entra.calls.length, 1, 'the code is sent once')
  })
}

t.test('another round that the provider wants is asked for', async t => {
  const { provider, entra } = await createBench(t)
  const claims = '{"access_token":{"capolids":{"essential":true,"values":["p"]}}}'
  entra.onToken = () => refusal('invalid_grant', 50076, { suberror: 'basic_action', claims })
  const error = await fails(t, provider.redeem(redemption(), limits()), { code: 'SG_SIGN_IN_REQUIRED' })
  t.ok(error instanceof SignInRequired)
  t.match(error, { need: { reason: 'mfa_required', scopes: ordersScopes, claims } })
})

const untrusted: [string, (entra: ScriptedProvider) => void, Partial<CodeRedemption>, string][] = [
  ['the nonce of another sign-in', () => {}, { nonce: 'nonce-2' }, 'SG_SIGN_IN_MISMATCH'],
  ['no nonce', entra => { entra.idClaims = { nonce: undefined } }, {}, 'SG_SIGN_IN_MISMATCH'],
  ['another audience', entra => { entra.idClaims = { aud: bob } }, {}, 'SG_SIGN_IN_REFUSED'],
  ['another issuer', entra => { entra.idClaims = { iss: 'https://evil.example' } }, {}, 'SG_SIGN_IN_REFUSED'],
  ['a tenant that its issuer is not', entra => { entra.idClaims = { tid: bob } }, {}, 'SG_SIGN_IN_REFUSED'],
  ['a tenant that is not ours', entra => { entra.idClaims = { tid: bob, iss: `${entra.origin}/${bob}/v2.0` } }, {}, 'SG_SIGN_IN_REFUSED']
]

for (const [name, change, request, code] of untrusted) {
  t.test(`X22, C5.7 an ID token with ${name} is refused, and nothing is stored`, async t => {
    const { provider, entra, store, holder } = await createBench(t)
    const written: string[] = []
    store.replace = async key => { written.push(key) }
    change(entra)
    await fails(t, provider.redeem(redemption(request), limits()), { code })
    t.strictSame(written, [])
    const account = { tid: tenant, oid: alice, homeAccountId: `${alice}.${tenant}`, environment: new URL(entra.origin).host }
    t.match(await provider.acquire(holder(account), orders), { kind: 'sign-in-needed' })
  })
}

t.test('X22 an ID token signed by somebody else is refused', async t => {
  const { provider, entra } = await createBench(t)
  const other = { ...await createSigningPair('x'), kid: entra.key.kid }
  entra.onToken = async ({ form }) => ({ body: await tokens({ ...entra, key: other }, form) })
  await fails(t, provider.redeem(redemption(), limits()), { code: 'SG_SIGN_IN_REFUSED' })
})

t.test('a sign-in whose tokens cannot be stored has failed', async t => {
  const { provider, store } = await createBench(t)
  store.replace = async () => { throw Object.assign(new Error('down'), { code: 'SG_STORE_UNAVAILABLE' }) }
  await fails(t, provider.redeem(redemption(), limits()), { code: 'SG_STORE_UNAVAILABLE' })
})

t.test('records are named by a secret, not by the user', async t => {
  const { provider, store } = await createBench(t)
  const keys: string[] = []
  const replace = store.replace
  store.replace = async (key, ...rest) => {
    keys.push(key)
    await replace(key, ...rest)
  }
  await provider.redeem(redemption(), limits())
  t.strictSame(keys, [`tc:{${keyRing.mac('account-key', `${client}|${tenant}|${alice}`)}}`])
  t.notMatch(keys[0]!, new RegExp(`${alice}|${tenant}`))
})

t.test('several tenants: a user of a listed one is let in and renewed at their own tenant', async t => {
  const shared = { tenantId: 'organizations', allowedTenants: [tenant.toUpperCase()] }
  const { provider, entra, holder } = await createBench(t, { entra: shared })
  const url = await provider.signInUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43), scopes: [] })
  t.match(url, `${entra.origin}/organizations/oauth2/v2.0/authorize`)
  const { account } = await provider.redeem(redemption(), limits())
  t.match(entra.calls[0]!.url, /^\/organizations\/oauth2/)
  t.match(tokenOf(await provider.acquire(holder(account), orders)), { source: 'cache' })
  t.match(tokenOf(await provider.acquire(holder(account), 1)), { source: 'refresh' })
  t.match(entra.calls[1]!.url, new RegExp(`^/${tenant}/oauth2`))
})

t.test('a tenant may be configured by its domain', async t => {
  const { provider, signIn } = await createBench(t, { entra: { tenantId: 'Contoso.example' } })
  const holder = await signIn()
  t.equal(holder.account.tid, tenant)
  t.match(await provider.acquire(holder, graph), { source: 'refresh' })
})

t.test('a tenant configured by its domain lets no other one in', async t => {
  const { provider, entra } = await createBench(t, { entra: { tenantId: 'contoso.example' } })
  entra.idClaims = { tid: bob, iss: `${entra.origin}/${bob}/v2.0` }
  await fails(t, provider.redeem(redemption(), limits()), { code: 'SG_SIGN_IN_REFUSED', cause: { message: /tenant/ } })
})

t.test('C5.12 several tenants: a user of another one is refused', async t => {
  const { provider } = await createBench(t, { entra: { tenantId: 'organizations', allowedTenants: [bob] } })
  await fails(t, provider.redeem(redemption(), limits()), { code: 'SG_SIGN_IN_REFUSED', cause: { message: /tenant/ } })
})

t.test('MSAL asks for no metadata: the gateway fetches it once', async t => {
  const { provider, entra, signIn } = await createBench(t)
  const holder = await signIn()
  await provider.acquire(holder, 1)
  await provider.signInUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43), scopes: [] })
  t.equal(entra.paths.filter(path => path.includes('openid-configuration')).length, 1)
  t.notOk(entra.paths.some(path => path.includes('discovery/instance')))
})
