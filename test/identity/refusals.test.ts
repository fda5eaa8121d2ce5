/** What acquiring does when the provider refuses, does not answer, or answers something that is not to be trusted. */
import t from 'tap'
import { fails } from './support/fails.ts'
import { createGateway, graph, graphScopes, orders, tokenOf } from './support/gateway.ts'
import { bob, createSigningPair, idToken, startProvider, tenant, tokens, type Reply, type ScriptedProvider } from './support/provider.ts'

function refusal (error: string, number: number, more: object = {}): Reply {
  return { status: 400, body: { error, error_codes: [number], error_description: `AADSTS${number}: no`, ...more } }
}

const dead = refusal('invalid_grant', 700082)

t.test('C12.5 consent per scope set: the others go on', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  entra.onToken = () => refusal('invalid_grant', 65001, { suberror: 'consent_required' })
  t.strictSame(plain(await provider.acquire(holder, graph)),
    { kind: 'sign-in-needed', reason: 'consent_required', cause: 'AADSTS65001', scopes: graphScopes, endSession: false })
  t.match(await provider.acquire(holder, orders), { kind: 'token', source: 'cache' })
})

t.test('an answer without the scopes that were asked for is no token for them', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  entra.onToken = async ({ form }) => ({ body: { ...await tokens(entra, form), scope: 'openid Mail.Read' } })
  t.match(await provider.acquire(holder, graph), { kind: 'sign-in-needed', reason: 'consent_required' })
})

t.test('C12.5 claims of the provider go into the sign-in, else those of the challenge', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  const claims = '{"access_token":{"capolids":{"essential":true,"values":["p"]}}}'
  const challenge = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
  entra.onToken = () => refusal('invalid_grant', 50076, { suberror: 'basic_action', claims })
  t.match(await provider.acquire(holder, graph, challenge), { kind: 'sign-in-needed', reason: 'mfa_required', claims })
  entra.onToken = () => refusal('invalid_grant', 50076, { suberror: 'basic_action' })
  t.match(await provider.acquire(holder, graph, challenge), { kind: 'sign-in-needed', reason: 'mfa_required', claims: challenge })
  t.match(await provider.acquire(holder, orders), { kind: 'token' }, 'plain tokens go on')
})

t.test('C6.4, C12.7 a dead grant ends the session after one call, and every ready token of the account at once', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, holder } = await createGateway(t, entra)
  const first = await signIn()
  const second = holder(first.account)
  tokenOf(await provider.acquire(second, orders))
  entra.onToken = () => dead
  t.match(await provider.acquire(first, graph), { kind: 'sign-in-needed', reason: 'sign_in_required', endSession: true })
  t.match(await provider.acquire(second, orders), { kind: 'sign-in-needed', endSession: true })
  t.match(await provider.acquire(first, orders), { kind: 'sign-in-needed' })
  t.equal(entra.calls.length, 2)
})

t.test('a dead grant found behind a request ends its token before its time', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock } = await createGateway(t, entra)
  const holder = await signIn()
  const { softAt } = tokenOf(await provider.acquire(holder, orders))
  entra.onToken = () => dead
  clock.advance(softAt - clock.now())
  t.match(provider.acquire(holder, orders), { kind: 'token' })
  await until(() => provider.acquire(holder, orders) instanceof Promise)
  t.match(await provider.acquire(holder, orders), { kind: 'sign-in-needed', endSession: true })
})

t.test('a sign-in after the grant died brings tokens again', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const first = await signIn()
  entra.onToken = () => dead
  await provider.acquire(first, graph)
  entra.onToken = () => undefined
  t.match(await provider.acquire(await signIn(), graph), { kind: 'token' })
})

t.test('C12.5 a user that a policy blocks is refused, without an end of the session', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  entra.onToken = () => refusal('invalid_grant', 53003, { suberror: 'message_only', claims: '{"a":{}}' })
  await fails(t, provider.acquire(holder, graph), { code: 'SG_SIGN_IN_REFUSED' })
  t.match(await provider.acquire(holder, orders), { kind: 'token' })
})

t.test('what one sign-in may help with is refused after it', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock } = await createGateway(t, entra)
  const refuse = (): Reply => refusal('invalid_grant', 53000, { suberror: 'additional_action' })
  const holder = await signIn()
  entra.onToken = refuse
  t.match(await provider.acquire(holder, graph), { kind: 'sign-in-needed', reason: 'interaction_required' })
  t.match(await provider.acquire(holder, graph), { kind: 'sign-in-needed' }, 'the same session has not been there yet')
  entra.onToken = () => undefined
  const next = await signIn()
  entra.onToken = refuse
  await fails(t, provider.acquire(next, graph), { code: 'SG_SIGN_IN_REFUSED' })
  clock.advance(11 * 60_000)
  t.match(await provider.acquire(next, graph), { kind: 'sign-in-needed' }, 'things may have changed after a while')
})

t.test('C12.6 a gateway that is refused is a fault of the operator', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  for (const [error, number] of [['invalid_client', 7000215], ['invalid_scope', 70011], ['unauthorized_client', 700016]] as const) {
    entra.onToken = () => refusal(error, number)
    await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_MISCONFIGURED' })
  }
  t.match(await provider.acquire(holder, orders), { kind: 'token' })
})

const faults: Record<string, Reply> = {
  'too many requests': { status: 429, body: {}, headers: { 'retry-after': '20' } },
  'an outage': { status: 503, body: { error: 'temporarily_unavailable' } },
  'a page': { status: 503, body: '<html>' },
  'an empty answer': { body: {} },
  'an empty token': { body: { access_token: '', token_type: 'Bearer' } },
  'a proof-of-possession token': { body: { access_token: 'at', token_type: 'PoP' } },
  'a cut connection': { raw: (_, socket) => { socket.destroy() } },
  'a loop': refusal('invalid_grant', 50196)
}

for (const [name, fault] of Object.entries(faults)) {
  t.test(`C6.9, C12.3 ${name} says nothing about the user, and is not asked for again at once`, async t => {
    const entra = await startProvider(t)
    const { provider, signIn, clock } = await createGateway(t, entra)
    const holder = await signIn()
    const { bearer } = tokenOf(await provider.acquire(holder, orders))
    entra.onToken = () => fault
    await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
    await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE', retryAfterMs: Number })
    t.equal(entra.calls.length, 2)
    t.match(provider.acquire(holder, orders), { bearer }, 'the live token goes on')
    entra.onToken = () => undefined
    clock.advance(306_000)
    t.match(await provider.acquire(holder, graph), { kind: 'token' }, 'it heals')
  })
}

t.test('the provider may say how long it wants to be left alone', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock } = await createGateway(t, entra, { random: () => 0 })
  const holder = await signIn()
  clock.stop()
  entra.onToken = () => ({ status: 429, body: {}, headers: { 'retry-after': '20' } })
  await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE', retryAfterMs: 20_000 })
  clock.advance(19_000)
  await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.equal(entra.calls.length, 2)
  clock.advance(1_001)
  await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.equal(entra.calls.length, 3)
})

t.test('one user\'s trouble is not another\'s', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const first = await signIn()
  entra.onToken = () => ({ status: 429, body: {}, headers: { 'retry-after': '20' } })
  await fails(t, provider.acquire(first, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  entra.onToken = () => undefined
  entra.oid = bob
  t.match(await provider.acquire(await signIn(), graph), { kind: 'token' })
})

const strangeIdentities: Record<string, (entra: ScriptedProvider, form: URLSearchParams) => Promise<object>> = {
  'another user': async (entra, form) => tokens({ ...entra, oid: bob }, form),
  'another sub': async (entra, form) => tokens({ ...entra, idClaims: { sub: 'somebody' } }, form),
  'another tenant': async (entra, form) => tokens({ ...entra, idClaims: { tid: bob } }, form),
  'an ID token of an unknown key': async (entra, form) => tokens({ ...entra, key: await createSigningPair('other') }, form),
  'an expired ID token': async (entra, form) => tokens({ ...entra, idClaims: { exp: 1_700_000_000 } }, form),
  'no ID token': async (entra, form) => ({ ...await tokens(entra, form), id_token: undefined }),
  'an unsigned ID token': async (entra, form) => {
    const [, payload] = (await idToken(entra.key, { iss: `${entra.origin}/${tenant}/v2.0` })).split('.')
    return { ...await tokens(entra, form), id_token: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.` }
  }
}

for (const [name, answer] of Object.entries(strangeIdentities)) {
  t.test(`mod_auth_openidc-2026-07-31 a renewal that answers with ${name} brings nothing and stores nothing`, async t => {
    const entra = await startProvider(t)
    const { provider, signIn, clock } = await createGateway(t, entra)
    const holder = await signIn()
    entra.onToken = async ({ form }) => ({ body: await answer(entra, form) })
    await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
    entra.onToken = () => undefined
    clock.advance(2000)
    t.match(await provider.acquire(holder, graph), { kind: 'token', source: 'refresh' }, 'from the old refresh token')
    t.match(entra.calls.at(-1)!.form.get('refresh_token'), entra.calls.at(-2)!.form.get('refresh_token')!)
  })
}

t.test('a renewal does not move a user to another tenant, even to one that is let in', async t => {
  const entra = await startProvider(t)
  const otherTenant = bob
  const { provider, signIn } = await createGateway(t, entra, {
    entra: { tenantId: 'organizations', allowedTenants: [tenant, otherTenant] }
  })
  const holder = await signIn()
  entra.idClaims = { tid: otherTenant, iss: `${entra.origin}/${otherTenant}/v2.0` }
  const error = await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.match(error.cause, { cause: { message: /another user/ } })
})

function plain (value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

async function until (isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 2000; n++, await new Promise(resolve => setTimeout(resolve, 10))) if (isSo()) return
  throw new Error('it does not come to that')
}
