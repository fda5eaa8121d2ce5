/** Tokens in exchange for an API client's: for that token alone, asked for once, and what a client is told when there is none. */
import t, { type Test } from 'tap'
import type { ApiCaller } from '../../src/identity/holder.ts'
import { fails } from './support/fails.ts'
import { createGateway, graph, orders, tokenOf, type Gateway } from './support/gateway.ts'
import { alice, bob, client, idToken, type ScriptedProvider, startProvider, tenant, type TokenCall } from './support/provider.ts'

const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const capolids = '{"access_token":{"capolids":{"essential":true,"values":["p"]}}}'

interface Bench extends Gateway {
  readonly entra: ScriptedProvider
  /** A client whose token says that it is of this user. */
  caller (oid?: string): Promise<ApiCaller>
}

async function createBench (t: Test): Promise<Bench> {
  const entra = await startProvider(t)
  const gateway = await createGateway(t, entra)
  await gateway.provider.ready
  let made = 0
  return {
    ...gateway,
    entra,
    async caller (oid = alice) {
      const token = await idToken(entra.key, { iss: `${entra.origin}/${tenant}/v2.0`, oid, sub: `sub-${++made}`, azp: 'c', scp: 'access_as_user' })
      const found = await gateway.provider.identify(token)
      if (found.kind === 'refused') throw new Error(found.why)
      return found
    }
  }
}

const refusal = (number: number, error = 'invalid_grant', more = {}) => ({
  status: 400, body: { error, error_codes: [number], error_description: `AADSTS${number}: no.`, ...more }
})

t.test('a hundred at once cause one exchange, of the token that came', async t => {
  const { provider, entra, caller } = await createBench(t)
  const holder = await caller()
  const tokens = await Promise.all(Array.from({ length: 100 }, async () => tokenOf(await provider.acquire(holder, orders))))
  t.equal(new Set(tokens.map(({ bearer }) => bearer)).size, 1)
  t.equal(entra.calls.length, 1)
  const { form, url } = entra.calls[0]!
  t.match(url, `/${tenant}/oauth2/v2.0/token`)
  t.match(Object.fromEntries(form), { grant_type: grant, requested_token_use: 'on_behalf_of', assertion: holder.token, client_id: client, client_secret: 'gw-secret' })
  t.ok(form.get('scope')!.split(' ').includes('api://orders/Orders.Read'))
  t.match(provider.acquire(holder, orders), { source: 'ready' })
  t.match(tokenOf(await provider.acquire(holder, graph)).bearer, /User\.Read$/, 'another API, another exchange')
  t.equal(entra.calls.length, 2)
})

t.test('C14.7 two tokens get two, also of one user; a user\'s session has its own', async t => {
  const { provider, entra, caller, signIn } = await createBench(t)
  const answers = new Map<string, string>()
  entra.onToken = ({ form }: TokenCall) => {
    const user = JSON.parse(Buffer.from(form.get('assertion')?.split('.')[1] ?? '', 'base64url').toString() || '{}')
    if (user.oid !== undefined) entra.oid = user.oid
    return undefined
  }
  const holders = [await caller(), await caller(), await caller(bob), await signIn()]
  const keys = await Promise.all(holders.map(async holder => {
    const { bearer } = tokenOf(await provider.acquire(holder, orders))
    answers.set(holder.key, bearer)
    return bearer
  }))
  t.equal(new Set(keys).size, 4)
  for (const holder of holders) t.match(provider.acquire(holder, orders), { bearer: answers.get(holder.key), source: 'ready' })
  await provider.forgetUser({ tid: tenant, oid: alice })
  t.match(provider.acquire(holders[0]!, orders), { source: 'ready' }, 'ending sessions does not touch tokens of clients')
})

t.test('an answer for another user, with fewer scopes or without a life is no token', async t => {
  const { provider, entra, caller, clock } = await createBench(t)
  entra.oid = bob
  await fails(t, async () => await provider.acquire(await caller(), orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
  entra.oid = alice
  entra.idClaims = { aud: 'somebody else' }
  await fails(t, async () => await provider.acquire(await caller(), orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
  entra.idClaims = {}
  entra.expiresIn = -10
  await fails(t, async () => await provider.acquire(await caller(), orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
  entra.expiresIn = 4000
  clock.advance(60_000)
  entra.onToken = async () => ({ body: { token_type: 'Bearer', scope: 'api://orders/Other', expires_in: 4000, access_token: 'less' } })
  t.match(await provider.acquire(await caller(), orders), { kind: 'sign-in-needed', reason: 'consent_required', endSession: false })
})

t.test('what the provider says becomes what the client can do about it', async t => {
  const rows: Array<[reply: object, outcome: object]> = [
    [refusal(50013), { kind: 'sign-in-needed', reason: 'sign_in_required' }],
    [refusal(500133), { kind: 'sign-in-needed', reason: 'sign_in_required' }],
    [refusal(50173, 'invalid_grant', { suberror: 'bad_token' }), { kind: 'sign-in-needed', reason: 'sign_in_required' }],
    [refusal(50057), { kind: 'sign-in-needed', reason: 'sign_in_required' }],
    [refusal(65001, 'invalid_grant', { suberror: 'consent_required' }), { kind: 'sign-in-needed', reason: 'consent_required' }],
    [refusal(50076, 'invalid_grant', { suberror: 'basic_action', claims: capolids }), { kind: 'sign-in-needed', reason: 'mfa_required', claims: capolids }],
    [refusal(50079, 'interaction_required', { suberror: 'basic_action', claims: capolids }), { reason: 'mfa_required', claims: capolids }],
    [refusal(53000, 'invalid_grant', { suberror: 'additional_action', claims: capolids }), { reason: 'interaction_required', claims: capolids }],
    [refusal(53000, 'invalid_grant', { suberror: 'additional_action' }), { code: 'SG_SIGN_IN_REFUSED' }],
    [refusal(53003, 'invalid_grant', { suberror: 'message_only', claims: capolids }), { code: 'SG_SIGN_IN_REFUSED' }],
    [refusal(50105), { code: 'SG_SIGN_IN_REFUSED' }],
    [refusal(500131), { code: 'SG_PROVIDER_MISCONFIGURED' }],
    [refusal(7000215, 'invalid_client'), { code: 'SG_PROVIDER_MISCONFIGURED' }],
    [refusal(500011, 'invalid_resource'), { code: 'SG_PROVIDER_MISCONFIGURED' }],
    [refusal(50196), { code: 'SG_PROVIDER_UNAVAILABLE' }],
    [{ status: 503, body: '' }, { code: 'SG_PROVIDER_UNAVAILABLE' }]
  ]
  const { provider, entra, caller, clock } = await createBench(t)
  for (const [reply, expected] of rows) {
    const holder = await caller()
    entra.onToken = () => reply
    const outcome = await Promise.resolve(provider.acquire(holder, orders)).catch((error: unknown) => error)
    t.match(outcome, expected, JSON.stringify(reply))
    const calls = entra.calls.length
    await Promise.resolve(provider.acquire(holder, orders)).catch(() => {})
    if ('kind' in (outcome as object)) t.equal(entra.calls.length, calls, 'told again without asking')
  }
  const holder = await caller()
  entra.onToken = () => refusal(65001, 'invalid_grant', { suberror: 'consent_required' })
  t.match(await provider.acquire(holder, orders), { reason: 'consent_required' })
  entra.onToken = () => undefined
  clock.advance(11_000)
  t.match(await provider.acquire(holder, orders), { kind: 'token' }, 'consented to meanwhile')
})

t.test('claims of a challenge are asked for, and handed on when they need the user', async t => {
  const { provider, entra, caller } = await createBench(t)
  const holder = await caller()
  const { bearer } = tokenOf(await provider.acquire(holder, orders))
  const acrs = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
  const renewed = tokenOf(await provider.acquire(holder, orders, acrs))
  t.not(renewed.bearer, bearer)
  t.match(JSON.parse(entra.calls[1]!.form.get('claims')!), JSON.parse(acrs))
  t.match(provider.acquire(holder, orders), { bearer: renewed.bearer })
  entra.onToken = () => refusal(50076, 'invalid_grant', { suberror: 'basic_action' })
  t.match(await provider.acquire(holder, orders, acrs), { kind: 'sign-in-needed', reason: 'mfa_required', claims: acrs })
  t.match(provider.acquire(holder, orders), { bearer: renewed.bearer }, 'the token in use stays in use')
})
