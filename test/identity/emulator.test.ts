/** Whole conversations with the emulator of Entra ID, which was written from the documentation and not from this code. */
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'
import t, { type Test } from 'tap'
import { loadDefaultConfig } from '../../emulator/config/load.ts'
import type { EmulatorConfig } from '../../emulator/config/shape.ts'
import { startEmulator, type Emulator } from '../../emulator/start.ts'
import { createClock } from './support/clock.ts'
import { fails } from './support/fails.ts'
import {
  createGateway, graph, graphScopes, orders, ordersScopes, reports, tokenOf, type Gateway, type GatewayOptions
} from './support/gateway.ts'
import type { SessionHolder } from '../../src/identity/holder.ts'

const clientId = '22222222-2222-4222-8222-222222222222'
const contoso = '11111111-1111-4111-8111-111111111111'
const fabrikam = '99999999-9999-4999-8999-999999999999'
const alice = 'alice@contoso.example'

interface Bench extends Gateway {
  readonly entra: Emulator
  /** Signs a user in as a browser does. */
  enter (scopes?: readonly string[], user?: string): Promise<SessionHolder>
  /** How often the token endpoint was asked, by grant. */
  asked (grant: 'authorization_code' | 'refresh_token'): number
}

interface BenchOptions extends GatewayOptions {
  readonly config?: EmulatorConfig
}

async function createBench (t: Test, { config, ...options }: BenchOptions = {}): Promise<Bench> {
  const entra = await startEmulator({ port: 0, config })
  t.teardown(entra.close)
  const gateway = await createGateway(t, { origin: entra.origin, ca: entra.caPem }, { clock: createClock(t), ...options })
  const dispatcher = new Agent({ connect: { ca: entra.caPem } })
  t.teardown(() => dispatcher.close())
  entra.admin.grant({ client: clientId, resource: 'api://orders', scopes: ['Orders.Read'] })
  await gateway.provider.ready

  async function enter (scopes: readonly string[] = ordersScopes, user = alice): Promise<SessionHolder> {
    const nonce = randomBytes(16).toString('base64url')
    const codeVerifier = randomBytes(32).toString('base64url')
    const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url')
    const url = await gateway.provider.signInUrl({ state: 'state-1', nonce, codeChallenge, scopes })
    const { headers, statusCode, body } = await request(`${url}&autologin=${user}`, { dispatcher })
    await body.dump()
    if (statusCode !== 302) throw new Error(`no redirect but ${statusCode}`)
    const answer = new URL(String(headers['location'])).searchParams
    const redemption = { code: answer.get('code')!, nonce, codeVerifier, scopes }
    const { account } = await gateway.provider.redeem(redemption, { absoluteEndsAt: gateway.clock.now() + 8 * 3_600_000 })
    return gateway.holder(account)
  }

  return {
    ...gateway,
    entra,
    enter,
    asked: grant => entra.requests().filter(({ parameters }) => parameters['grant_type'] === grant).length
  }
}

t.test('sign in, use the token of the code, get one for another resource, be asked for consent', async t => {
  const { provider, entra, enter, asked } = await createBench(t)
  const holder = await enter()
  t.match(await provider.acquire(holder, orders), { source: 'cache' })
  t.match(provider.acquire(holder, orders), { source: 'ready' })
  t.strictSame(JSON.parse(JSON.stringify(await provider.acquire(holder, graph))),
    { kind: 'sign-in-needed', reason: 'consent_required', cause: 'AADSTS65001', scopes: graphScopes, endSession: false })
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  t.match(await provider.acquire(holder, graph), { source: 'refresh' })
  t.match(provider.acquire(holder, orders), { source: 'ready' })
  t.equal(asked('authorization_code'), 1)
  t.equal(asked('refresh_token'), 2)
})

t.test('the record finds its tokens again: the echo of scopes fits MSAL\'s cache', async t => {
  const { provider, entra, enter, holder, asked } = await createBench(t)
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read', 'Mail.Read'] })
  const first = await enter()
  await provider.acquire(first, graph)
  for (const set of [orders, graph]) t.match(await provider.acquire(holder(first.account), set), { source: 'cache' })
  t.equal(asked('refresh_token'), 1)
})

t.test('C6.1 a hundred requests at expiry: one token request per scope set', async t => {
  const { provider, entra, enter, clock, asked } = await createBench(t)
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  const holder = await enter()
  await provider.acquire(holder, graph)
  const before = asked('refresh_token')
  clock.advance(2 * 3_600_000)
  const wanted = Array.from({ length: 100 }, (_, n) => provider.acquire(holder, n % 2 === 0 ? orders : graph))
  const outcomes = await Promise.all(wanted)
  t.equal(new Set(outcomes.map(outcome => tokenOf(outcome).bearer)).size, 2)
  t.equal(asked('refresh_token') - before, 2)
})

t.test('it renews behind the requests in the last minutes of a token', async t => {
  const { provider, enter, clock } = await createBench(t)
  const holder = await enter()
  const first = tokenOf(await provider.acquire(holder, orders))
  clock.advance(first.softAt - clock.now() + 1)
  t.match(provider.acquire(holder, orders), { bearer: first.bearer })
  for (let n = 0; n < 1000; n++, await new Promise(resolve => setTimeout(resolve, 20))) {
    if (tokenOf(await provider.acquire(holder, orders)).bearer !== first.bearer) return
  }
  t.fail('it was not renewed')
})

t.test('C12.7 a revoked user ends, and a disabled one', async t => {
  const { provider, entra, enter, clock } = await createBench(t)
  for (const change of [{ revoke: true }, { state: 'disabled' }] as const) {
    const holder = await enter()
    clock.advance(2000)
    entra.admin.updateUser(alice, change)
    t.match(await provider.acquire(holder, graph), { kind: 'sign-in-needed', reason: 'sign_in_required', endSession: true })
    t.match(await provider.acquire(holder, orders), { kind: 'sign-in-needed' })
  }
})

t.test('C12.5 a policy asks for a second factor with its claims, and a block is a refusal', async t => {
  const { provider, entra, enter } = await createBench(t)
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  const holder = await enter(graphScopes)
  entra.admin.setPolicy('MFA for Orders', true)
  const outcome = await provider.acquire(holder, orders)
  t.match(outcome, { kind: 'sign-in-needed', reason: 'mfa_required', claims: /capolids/, endSession: false })
  entra.admin.setPolicy('MFA for Orders', false)
  t.match(await provider.acquire(holder, orders), { kind: 'token' })
  entra.admin.setPolicy('Block Reports', true)
  entra.admin.grant({ client: clientId, resource: 'api://reports', scopes: ['Reports.Read'] })
  await fails(t, provider.acquire(holder, reports), { code: 'SG_SIGN_IN_REFUSED' })
  t.match(provider.acquire(holder, orders), { source: 'ready' })
})

t.test('C12.3 faults keep the session: 429, 503, a page, a hang, a reset', async t => {
  const { provider, entra, enter, clock } = await createBench(t)
  const holder = await enter()
  const { bearer } = tokenOf(await provider.acquire(holder, orders))
  const faults = [
    { status: 429, body: {}, headers: { 'retry-after': '7' } }, { status: 503, body: { error: 'temporarily_unavailable' } },
    { action: 'html' as const }, { action: 'reset' as const }, { action: 'hang' as const }
  ]
  for (const fault of faults) {
    entra.admin.fault({ endpoint: 'token', ...fault })
    await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
    t.match(provider.acquire(holder, orders), { bearer, source: 'ready' })
    clock.advance(61_000)
  }
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  t.match(await provider.acquire(holder, graph), { kind: 'token' })
})

t.test('X22, mod_auth_openidc-2026-07-31 a forged ID token is refused at the sign-in, and at a renewal', async t => {
  const { provider, entra, enter } = await createBench(t)
  const holder = await enter()
  entra.admin.fault({ endpoint: 'token', idToken: { key: 'unknown' } })
  await fails(t, enter(), { code: 'SG_SIGN_IN_REFUSED' })
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  entra.admin.fault({ endpoint: 'token', idToken: { key: 'unknown' } })
  await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
})

t.test('new signing keys are fetched when they are needed', async t => {
  const { entra, enter, clock } = await createBench(t)
  await enter()
  await entra.admin.rotateKeys('emergency')
  await entra.admin.rotateKeys('emergency')
  clock.advance(31_000)
  t.ok(await enter())
})

t.test('a code is good for one sign-in', async t => {
  const { provider, entra } = await createBench(t)
  const codeVerifier = 'v'.repeat(43)
  const challenge = { method: 'S256' as const, value: createHash('sha256').update(codeVerifier).digest('base64url') }
  const scope = `openid profile offline_access ${ordersScopes}`
  const { code } = entra.admin.login({ user: alice, client: clientId, scope, nonce: 'n', challenge })
  const request = { code, nonce: 'n', codeVerifier, scopes: ordersScopes }
  t.ok(await provider.redeem(request, { absoluteEndsAt: Date.now() + 1_000_000 }))
  await fails(t, provider.redeem(request, { absoluteEndsAt: Date.now() + 1_000_000 }), { code: 'SG_SIGN_IN_EXPIRED' })
})

t.test('C5.12 several tenants: a user of a listed one gets in and is renewed there, a user of another one is refused', async t => {
  const { provider, entra, enter } = await createBench(t, {
    config: withSharedApps(loadDefaultConfig()), entra: { tenantId: 'organizations', allowedTenants: [contoso] }
  })
  entra.admin.grant({ client: clientId, resource: 'api://orders', scopes: ['Orders.Read'] }, fabrikam)
  const holder = await enter()
  t.equal(holder.account.tid, contoso)
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  t.match(await provider.acquire(holder, graph), { source: 'refresh' })
  t.match(entra.requests().at(-1), { path: `/${contoso}/oauth2/v2.0/token` })
  await fails(t, enter(ordersScopes, 'fred@fabrikam.example'), { code: 'SG_SIGN_IN_REFUSED', cause: { message: /tenant/ } })
})

function withSharedApps (config: EmulatorConfig): EmulatorConfig {
  const tenants = config.tenants.map(tenant => ({ ...tenant, apps: tenant.apps?.map(app => ({ ...app, audience: 'multi' as const })) ?? [] }))
  return { ...config, tenants }
}
