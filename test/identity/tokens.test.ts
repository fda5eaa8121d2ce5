/** Tokens of a session: where they come from, how often the provider is asked, and that nobody gets another's. */
import t from 'tap'
import { createClock } from './support/clock.ts'
import { fails } from './support/fails.ts'
import { createGateway, graph, graphScopes, keyRing, orders, reports, tokenOf } from './support/gateway.ts'
import { alice, bob, startProvider, tenant, tokens } from './support/provider.ts'
import type { SessionHolder } from '../../src/identity/holder.ts'
import type { TokenOutcome } from '../../src/identity/provider.ts'
import { createMemoryStore } from '../../src/store/memory.ts'

const minute = 60_000

t.test('a sign-in brings a token from its own record, then a ready one, synchronously', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  t.match(holder.account, { tid: tenant, oid: alice, homeAccountId: `${alice}.${tenant}` })
  const first = tokenOf(await provider.acquire(holder, orders))
  t.equal(first.source, 'cache')
  const second = provider.acquire(holder, orders)
  t.notOk(second instanceof Promise)
  t.match(second, { kind: 'token', source: 'ready', bearer: first.bearer })
  t.equal(entra.calls.length, 1, 'the code is the only token request')
})

t.test('a token for another resource comes of the same sign-in', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  const token = tokenOf(await provider.acquire(holder, graph))
  t.equal(token.source, 'refresh')
  t.match(token.bearer, /^Bearer at-\d+-User\.Read$/)
  t.equal(entra.calls[1]!.form.get('grant_type'), 'refresh_token')
  t.match(tokenOf(await provider.acquire(holder, orders)).bearer, /-api:\/\/orders\/Orders\.Read$/)
  t.equal(entra.calls.length, 2)
})

t.test('another session of the account finds the token in the record', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, holder } = await createGateway(t, entra)
  const first = await signIn()
  const { bearer } = tokenOf(await provider.acquire(first, graph))
  t.match(await provider.acquire(holder(first.account), graph), { bearer, source: 'cache' })
  t.equal(entra.calls.length, 2)
})

t.test('C6.1, C6.2, duende-360 a hundred requests at once cause one token request per scope set', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, holder, clock } = await createGateway(t, entra)
  const first = await signIn()
  const second = holder(first.account)
  clock.advance(2 * 3_600_000)
  const sets = [orders, graph]
  const wanted = Array.from({ length: 100 }, (_, n) => provider.acquire(n % 3 === 0 ? first : second, sets[n % 2]!))
  const outcomes = (await Promise.all(wanted)).map(tokenOf)
  t.equal(new Set(outcomes.map(({ bearer }) => bearer)).size, 2)
  for (const [n, { bearer }] of outcomes.entries()) t.match(bearer, n % 2 === 0 ? /Orders\.Read$/ : /User\.Read$/)
  t.equal(entra.calls.length, 3)
})

t.test('within one process nobody waits for the lock', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, store } = await createGateway(t, entra)
  const holder = await signIn()
  const lock = store.lock
  let held = 0
  store.lock = async (...args) => {
    t.equal(held++, 0)
    const lease = await lock(...args)
    return lease && { release: async () => { await lease.release(); held-- } }
  }
  await Promise.all([orders, graph, reports].map(set => provider.acquire(holder, set, '{"access_token":{"a":null}}')))
})

t.test('C6.1 two replicas cause one token request, and a refresh token is never used twice', async t => {
  const entra = await startProvider(t)
  const clock = createClock(t)
  const store = createMemoryStore({ now: clock.now })
  const replicas = await Promise.all([1, 2].map(() => createGateway(t, entra, { store, clock, keys: keyRing })))
  const first = await replicas[0]!.signIn()
  await replicas[1]!.provider.ready
  clock.advance(2 * 3_600_000)
  const holders = replicas.map(({ holder }) => holder(first.account))
  const acquire = (n: number) => replicas[n % 2]!.provider.acquire(holders[n % 2]!, n % 4 < 2 ? orders : graph)
  const wanted = Array.from({ length: 40 }, (_, n) => acquire(n))
  t.equal(new Set((await Promise.all(wanted)).map(outcome => tokenOf(outcome).bearer)).size, 2)
  const used = entra.calls.slice(1).map(({ form }) => form.get('refresh_token'))
  t.equal(used.length, 2)
  t.equal(new Set(used).size, 2)
})

t.test('C6.3 many users at once: nobody gets another\'s token', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holders: SessionHolder[] = []
  for (const oid of [alice, bob]) {
    entra.oid = oid
    holders.push(await signIn())
  }
  // The refresh token tells whose request it is.
  entra.onToken = async ({ form }) => {
    const oid = form.get('refresh_token')!.replace(/^rt-\d+-/, '')
    const body = await tokens({ ...entra, oid }, form)
    return { body: { ...body, access_token: `token-of-${oid}-${form.get('scope')!.split(' ')[0]}` } }
  }
  const wanted = Array.from({ length: 40 }, (_, n) => provider.acquire(holders[n % 2]!, graph))
  for (const [n, outcome] of (await Promise.all(wanted)).entries()) {
    t.equal(tokenOf(outcome).bearer, `Bearer token-of-${n % 2 === 0 ? alice : bob}-User.Read`)
  }
})

t.test('C6.6 in its last minutes a token is renewed behind the requests that still use it', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock } = await createGateway(t, entra)
  const holder = await signIn()
  const first = tokenOf(await provider.acquire(holder, orders))
  clock.advance(first.softAt - clock.now())
  for (let n = 0; n < 20; n++) t.equal(tokenOf(provider.acquire(holder, orders) as TokenOutcome).bearer, first.bearer)
  await until(() => tokenOf(provider.acquire(holder, orders) as TokenOutcome).bearer !== first.bearer)
  t.equal(entra.calls.length, 2)
})

t.test('C12.3 a renewal that fails leaves the token in use, is tried again after 30 s, and ends with the token', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock, logged } = await createGateway(t, entra)
  const holder = await signIn()
  const first = tokenOf(await provider.acquire(holder, orders))
  entra.onToken = () => ({ status: 503, body: {} })
  clock.advance(first.softAt - clock.now())
  for (let n = 0; n < 20; n++) t.match(provider.acquire(holder, orders), { bearer: first.bearer })
  await until(() => logged.length > 0)
  await settle()
  t.equal(logged.length, 1, 'one renewal for all of them')
  t.match(provider.acquire(holder, orders), { bearer: first.bearer })
  clock.advance(29_000)
  t.match(provider.acquire(holder, orders), { bearer: first.bearer })
  await settle()
  t.equal(entra.calls.length, 2, 'not before its time')
  clock.advance(2_000)
  t.match(provider.acquire(holder, orders), { bearer: first.bearer })
  await until(() => logged.length === 2)
  t.equal(entra.calls.length, 3)
  clock.advance(first.hardAt - clock.now())
  await fails(t, provider.acquire(holder, orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
})

t.test('the clock stepped back: every token is obtained anew', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock } = await createGateway(t, entra)
  const holder = await signIn()
  await provider.acquire(holder, orders)
  t.notOk(provider.acquire(holder, orders) instanceof Promise)
  clock.advance(-minute)
  const outcome = provider.acquire(holder, orders)
  t.ok(outcome instanceof Promise)
  t.match(await outcome, { source: 'refresh' }, 'MSAL trusts its own cache no more either')
})

t.test('a claims challenge is answered by the provider, and its token replaces the ready one', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  const first = tokenOf(await provider.acquire(holder, orders))
  const claims = '{"access_token":{"nbf":{"essential":true,"value":"1900000000"}}}'
  const challenged = tokenOf(await provider.acquire(holder, orders, claims))
  t.equal(challenged.source, 'refresh')
  t.match(JSON.parse(entra.calls[1]!.form.get('claims')!), JSON.parse(claims))
  t.match(provider.acquire(holder, orders), { bearer: challenged.bearer })
  t.not(challenged.bearer, first.bearer)
})

t.test('an empty, broken or endless challenge counts as none', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  const { bearer } = tokenOf(await provider.acquire(holder, orders))
  for (const claims of ['{}', '', '[]', 'null', '7', '{"a":', `{"a":"${'x'.repeat(5000)}"}`]) {
    t.match(provider.acquire(holder, orders, claims), { bearer, source: 'ready' })
  }
  t.equal(entra.calls.length, 1)
})

t.test('CVE-2026-71326 requests of different challenges do not share a token', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  await Promise.all(['c1', 'c2', 'c1'].map(value => provider.acquire(holder, orders, JSON.stringify({ access_token: { acrs: { value } } }))))
  const asked = entra.calls.slice(1).map(({ form }) => JSON.parse(form.get('claims')!).access_token.acrs.value)
  t.strictSame(asked, ['c1', 'c2'])
})

t.test('a scope set that does not exist is a bug', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  t.throws(() => provider.acquire(holder, 7), TypeError)
})

t.test('scopes in the form they were asked for, others of the resource beside them', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, holder } = await createGateway(t, entra)
  const first = await signIn()
  entra.onToken = async ({ form }) => {
    const scope = 'profile openid https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read'
    return { body: { ...await tokens(entra, form), scope } }
  }
  t.match(await provider.acquire(first, graph), { kind: 'token', source: 'refresh' }, `${graphScopes} are in the answer`)
  t.match(await provider.acquire(holder(first.account), graph), { kind: 'token' })
})

async function until (isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 2000; n++, await settle()) if (isSo()) return
  throw new Error('it does not come to that')
}

function settle (): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 10))
}
