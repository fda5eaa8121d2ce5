/** This file checks claims of users that are newer than those of their sign-in: whose they are, what they cost, when they go. */
import t, { type Test } from 'tap'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { errors } from '../../src/errors.ts'
import { createClock } from './support/clock.ts'
import { createGateway, graph, keyRing, newestClaims, tokenOf, type Gateway } from './support/gateway.ts'
import { alice, bob, startProvider } from './support/provider.ts'

const minute = 60_000

/** Two replicas, and a session of alice. */
async function createBench (t: Test, parts: Partial<Store> = {}) {
  const entra = await startProvider(t)
  const clock = createClock(t)
  const store = { ...createMemoryStore({ now: clock.now }), ...parts }
  const create = async (): Promise<Gateway> => {
    const gateway = await createGateway(t, entra, { store, clock, keys: keyRing })
    await gateway.provider.ready
    return gateway
  }
  const [one, two] = [await create(), await create()]
  entra.idClaims = { roles: ['Admin'] }
  const holder = await one.signIn()
  const iat = async (): Promise<number> => Number((await newestClaims(one.provider, holder.account))?.['iat'])
  return { entra, clock, store, one, two, holder, iat }
}

/** With a store that can lose what is known of alice, and tells before it writes that. */
async function createLosingBench (t: Test) {
  const memory = createMemoryStore({ now: Date.now })
  const before = { update: async (): Promise<void> => {}, set: async (): Promise<void> => {} }
  let name = ''
  const bench = await createBench(t, {
    ...memory,
    async update (...given) {
      if (given[0] === name) await before.update()
      return await memory.update(...given)
    },
    async set (...given) {
      if (given[0].startsWith('uc:')) {
        name = given[0]
        await before.set()
      }
      await memory.set(...given)
    }
  })
  const lose = async (): Promise<boolean> => await memory.delete(name)
  return { ...bench, first: await bench.iat(), before, lose }
}

t.test('a sign-in and every renewal leave the newest claims for all replicas', async t => {
  const { entra, clock, one, two, holder } = await createBench(t)
  t.match(await newestClaims(two.provider, holder.account), { oid: alice, roles: ['Admin'] })
  entra.idClaims = { roles: ['Reader'] }
  clock.advance(minute)
  tokenOf(await one.provider.acquire(holder, graph))
  t.match(await newestClaims(two.provider, holder.account), { oid: alice, roles: ['Reader'] })
  t.equal(await newestClaims(two.provider, { ...holder.account, oid: bob }), undefined)
})

t.test('newer claims cost one token request for all who ask, on all replicas, and none when a token was renewed meanwhile', async t => {
  const { entra, clock, one, two, holder, iat } = await createBench(t)
  const first = await iat()
  clock.advance(56 * minute)
  entra.idClaims = { roles: ['Reader'] }
  const wanted = Array.from({ length: 20 }, async (_, i) => await [one, two][i % 2]!.provider.renewClaims(holder, first))
  for (const outcome of await Promise.all(wanted)) t.match(outcome, { kind: 'claims', claims: { roles: ['Reader'] } })
  t.equal(entra.calls.length, 2)
  t.match(entra.calls[1]!.form.get('scope')?.split(' ').sort(), ['offline_access', 'openid', 'profile'])
  const second = await iat()
  t.ok(second > first)

  clock.advance(56 * minute)
  tokenOf(await one.provider.acquire(holder, graph))
  t.match(await two.provider.renewClaims(holder, second), { kind: 'claims' })
  t.equal(entra.calls.length, 3, 'that of the token')
})

t.test('an ID token of another user, or that does not stand up, changes nothing', async t => {
  const { entra, clock, one, holder, iat } = await createBench(t)
  const first = await iat()
  for (const claims of [{ oid: bob }, { sub: 'another' }, { aud: 'another' }, { tid: bob }]) {
    clock.advance(minute)
    entra.idClaims = { roles: ['Owner'], ...claims }
    await t.rejects(one.provider.renewClaims(holder, first), { code: 'SG_PROVIDER_UNAVAILABLE' }, JSON.stringify(claims))
  }
  t.match(await newestClaims(one.provider, holder.account), { oid: alice, roles: ['Admin'] })
})

t.test('a dead grant ends the session; its claims stay, so that no other session goes back to older ones', async t => {
  const { entra, one, two, holder, iat } = await createBench(t)
  const first = await iat()
  entra.onToken = () => ({ status: 400, body: { error: 'invalid_grant', error_codes: [50057], error_description: 'AADSTS50057: no' } })
  t.match(await one.provider.renewClaims(holder, first), { kind: 'sign-in-needed', endSession: true })
  t.match(await newestClaims(two.provider, holder.account), { oid: alice, roles: ['Admin'] })
  t.match(await two.provider.renewClaims(two.holder(holder.account), first), { kind: 'sign-in-needed', endSession: true }, 'and that of another session')
  t.equal(entra.calls.length, 2, 'the provider is not asked twice')
})

t.test('a session whose claims cannot be renewed ends; one whose record another replica can open, or that wants a token only, does not', async t => {
  const memory = createMemoryStore({ now: Date.now })
  const names: string[] = []
  const { one, holder, iat } = await createBench(t, {
    ...memory,
    async replace (...given) {
      names.push(given[0])
      await memory.replace(...given)
    }
  })
  const [first, [record]] = [await iat(), names]
  await memory.replace(record!, '2.of a later version', minute)
  t.match(await one.provider.renewClaims(holder, first), { kind: 'sign-in-needed', endSession: false })
  await memory.delete(record!)
  t.match(await one.provider.acquire(holder, graph), { kind: 'sign-in-needed', endSession: false })
  t.match(await one.provider.renewClaims(holder, first), { kind: 'sign-in-needed', endSession: true })
})

t.test('claims that the store has lost are kept again after the next renewal: one token request, and not one for each who asks', async t => {
  const { entra, clock, one, two, holder, first, lose } = await createLosingBench(t)
  await lose()
  clock.advance(minute)
  entra.idClaims = { roles: ['Reader'] }
  for (const { provider } of [one, two]) t.match(await provider.renewClaims(holder, first), { kind: 'claims', claims: { roles: ['Reader'] } })
  t.equal(entra.calls.length, 2)
})

for (const operation of ['update', 'set'] as const) {
  t.test(`a sign-out between a renewed record and the ${operation} of its claims leaves none`, async t => {
    const { clock, one, two, holder, first, lose, before } = await createLosingBench(t)
    await lose()
    clock.advance(minute)
    let isSignedOut = false
    before[operation] = async () => {
      isSignedOut = true
      await two.provider.forget(holder, { dropAccount: true })
    }
    await t.rejects(one.provider.renewClaims(holder, first), { code: 'SG_PROVIDER_UNAVAILABLE' })
    t.ok(isSignedOut)
    t.equal(await newestClaims(one.provider, holder.account), undefined)
  })
}

t.test('a provider that is away, or blocks the user, is no news', async t => {
  const { entra, clock, one, holder, iat } = await createBench(t)
  const first = await iat()
  entra.onToken = () => ({ status: 503 })
  await t.rejects(one.provider.renewClaims(holder, first), { code: 'SG_PROVIDER_UNAVAILABLE' })
  clock.advance(minute)
  entra.onToken = () => ({ status: 400, body: { error: 'invalid_grant', suberror: 'message_only', error_codes: [53003], error_description: 'AADSTS53003: no' } })
  await t.rejects(one.provider.renewClaims(holder, first), { code: 'SG_SIGN_IN_REFUSED' })
  t.equal(await iat(), first)
})

t.test('after a sign-out there are no claims, and a renewal that was under way brings none back', async t => {
  const { entra, clock, one, two, holder, iat } = await createBench(t)
  clock.advance(minute)
  entra.onToken = async () => {
    entra.onToken = () => undefined
    await two.provider.forget(holder, { dropAccount: true })
    return undefined
  }
  t.match(await one.provider.renewClaims(holder, await iat()), { kind: 'sign-in-needed', reason: 'sign_in_required' })
  t.equal(await newestClaims(one.provider, holder.account), undefined)
})

t.test('a store that fails is a failure, never "no news"', async t => {
  let isDown = false
  const memory = createMemoryStore({ now: Date.now })
  const { one, holder, iat } = await createBench(t, {
    get: async key => {
      if (isDown) throw new errors.SG_STORE_UNAVAILABLE()
      return await memory.get(key)
    },
    set: memory.set,
    update: memory.update
  })
  const first = await iat()
  isDown = true
  await t.rejects(newestClaims(one.provider, holder.account), { code: 'SG_STORE_UNAVAILABLE' })
  await t.rejects(one.provider.renewClaims(holder, first), { code: 'SG_STORE_UNAVAILABLE' })
})

t.test('claims in the store are sealed, and those of one user are nobody else\'s', async t => {
  const records = new Map<string, string>()
  const memory = createMemoryStore({ now: Date.now })
  const { entra, one, holder } = await createBench(t, {
    get: async key => records.get(key),
    set: async (key, value) => { records.set(key, value) },
    update: memory.update
  })
  const [[name, record] = []] = [...records].filter(([key]) => key.startsWith('uc:'))
  t.notMatch(record, /Admin/)
  entra.oid = bob
  const other = await one.signIn()
  const [theirs] = [...records.keys()].filter(key => key.startsWith('uc:') && key !== name)
  records.set(theirs!, record!)
  t.equal(await newestClaims(one.provider, other.account), undefined)
  t.match(await newestClaims(one.provider, holder.account), { oid: alice })
})
