/** Replicas that share a store: locks that are held, lost or overtaken, and writes that come too late. */
import t, { type Test } from 'tap'
import type { Store } from '../../src/store/store.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createRecordSealer } from '../../src/store/sealed.ts'
import { createClock, type Clock } from './support/clock.ts'
import { fails } from './support/fails.ts'
import { createGateway, graph, keyRing, orders, tokenOf, type Gateway } from './support/gateway.ts'
import { alice, bob, client, startProvider, tenant, tokens, type ScriptedProvider } from './support/provider.ts'

interface Bench {
  readonly entra: ScriptedProvider
  readonly store: Store
  readonly clock: Clock
  readonly replicas: [Gateway, Gateway]
}

async function createBench (t: Test): Promise<Bench> {
  const entra = await startProvider(t)
  const clock = createClock(t)
  const store = createMemoryStore({ now: clock.now })
  const create = async (): Promise<Gateway> => {
    const gateway = await createGateway(t, entra, { store, clock, keys: keyRing })
    await gateway.provider.ready
    return gateway
  }
  return { entra, store, clock, replicas: [await create(), await create()] }
}

const sealer = createRecordSealer(keyRing)
const recordKey = `tc:{${keyRing.mac('account-key', `${client}|${tenant}|${alice}`)}}`

/** Makes the next token request wait until it is let go. */
function hold (entra: ScriptedProvider): { asked: Promise<void>, letGo: () => void } {
  let letGo = (): void => {}
  let noteAsked = (): void => {}
  const asked = new Promise<void>(resolve => { noteAsked = resolve })
  entra.onToken = async ({ form }) => {
    entra.onToken = () => undefined
    noteAsked()
    await new Promise<void>(resolve => { letGo = resolve })
    return { body: await tokens(entra, form) }
  }
  return { asked, letGo: () => letGo() }
}

t.test('whoever waits for the lock finds the token that the other one fetched', async t => {
  const { entra, replicas: [one, two] } = await createBench(t)
  const holder = await one.signIn()
  const { asked, letGo } = hold(entra)
  const first = one.provider.acquire(holder, graph)
  await asked
  const second = two.provider.acquire(two.holder(holder.account), graph)
  await new Promise(resolve => setTimeout(resolve, 100))
  letGo()
  const { bearer } = tokenOf(await first)
  t.match(await second, { bearer, source: 'cache' })
  t.equal(entra.calls.length, 2)
})

t.test('C11.10 a holder that died is followed when its lease ends', async t => {
  const { entra, store, clock, replicas: [one] } = await createBench(t)
  const holder = await one.signIn()
  await store.lock(`${recordKey}:lock`, 12_000, 0)
  const outcome = one.provider.acquire(holder, graph)
  await new Promise(resolve => setTimeout(resolve, 100))
  t.equal(entra.calls.length, 1, 'not before')
  clock.advance(12_000)
  t.match(await outcome, { kind: 'token' })
})

t.test('C11.10 a holder that stood still does not overwrite who came after it', async t => {
  const { entra, store, clock, replicas: [one, two] } = await createBench(t)
  const holder = await one.signIn()
  const { asked, letGo } = hold(entra)
  const late = one.provider.acquire(holder, graph)
  await asked
  clock.advance(12_001)
  const { bearer } = tokenOf(await two.provider.acquire(two.holder(holder.account), graph))
  const before = await store.get(recordKey)
  letGo()
  t.match(await late, { bearer, source: 'cache' })
  t.equal(await store.get(recordKey), before)
})

t.test('a holder that stood still does not bring a record back', async t => {
  const { entra, store, replicas: [one, two] } = await createBench(t)
  const holder = await one.signIn()
  const { asked, letGo } = hold(entra)
  const late = one.provider.acquire(holder, graph)
  await asked
  await two.provider.signOutUrl(two.holder(holder.account), { postLogoutRedirectUri: 'http://localhost/', dropAccount: true })
  letGo()
  t.match(await late, { kind: 'sign-in-needed', reason: 'sign_in_required', endSession: false })
  t.equal(await store.get(recordKey), undefined)
})

t.test('a grant that was found dead too late does not take the record of a new sign-in', async t => {
  const { entra, store, clock, replicas: [one, two] } = await createBench(t)
  const holder = await one.signIn()
  let letGo = (): void => {}
  const asked = new Promise<void>(resolve => {
    entra.onToken = async () => {
      entra.onToken = () => undefined
      resolve()
      await new Promise<void>(resolve => { letGo = resolve })
      return { status: 400, body: { error: 'invalid_grant', error_codes: [50173], suberror: 'bad_token' } }
    }
  })
  const late = one.provider.acquire(holder, graph)
  await asked
  clock.advance(12_001)
  const again = await two.signIn()
  letGo()
  t.match(await late, { kind: 'sign-in-needed', endSession: true })
  t.ok(await store.get(recordKey))
  t.match(await two.provider.acquire(again, orders), { kind: 'token' })
})

t.test('C6.5 a lock that is never free, and writes that never succeed, are faults', async t => {
  const { entra, store, replicas: [one] } = await createBench(t)
  const holder = await one.signIn()
  const { lock, compareAndSet } = store
  store.lock = async () => undefined
  await fails(t, one.provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  await fails(t, one.signIn(), { code: 'SG_STORE_UNAVAILABLE' })
  Object.assign(store, { lock, compareAndSet: async () => false })
  await fails(t, one.provider.acquire(holder, graph), { code: 'SG_STORE_UNAVAILABLE' })
  t.equal(entra.calls.length, 4, 'two sign-ins and two tries')
  Object.assign(store, { compareAndSet })
  t.match(await one.provider.acquire(holder, graph), { kind: 'token' }, 'the lock was given back')
})

t.test('a store that is down is a fault; ready tokens go on', async t => {
  const { store, replicas: [one] } = await createBench(t)
  const holder = await one.signIn()
  const { bearer } = tokenOf(await one.provider.acquire(holder, orders))
  store.read = async () => { throw Object.assign(new Error('down'), { code: 'SG_STORE_UNAVAILABLE' }) }
  await fails(t, one.provider.acquire(holder, graph), { code: 'SG_STORE_UNAVAILABLE' })
  t.match(one.provider.acquire(holder, orders), { bearer })
})

t.test('an older record under the current version does not open', async t => {
  const { store, replicas: [one] } = await createBench(t)
  const holder = await one.signIn()
  const older = (await store.read(recordKey))!
  t.match(await one.provider.acquire(holder, graph), { kind: 'token' }, 'opens, and is replaced by a newer one')
  await store.replace(recordKey, older.value, 60_000)
  const other = await one.signIn()
  await store.replace(recordKey, older.value, 60_000)
  t.match(await one.provider.acquire(other, graph), { kind: 'sign-in-needed', endSession: false })
})

t.test('tokens under another user\'s name are not handed out, whatever the account says of itself', async t => {
  const { entra, store, replicas: [one] } = await createBench(t)
  const { account } = await one.signIn()
  const bobsKey = `tc:{${keyRing.mac('account-key', `${client}|${tenant}|${bob}`)}}`
  const alices = (await store.read(recordKey))!
  const bobs = one.holder({ ...account, oid: bob })
  await store.replace(bobsKey, alices.value, 60_000)
  t.match(await one.provider.acquire(bobs, orders), { kind: 'sign-in-needed', endSession: false }, 'a moved record does not open')

  const text = sealer.open('account-record', `${recordKey} ${alices.version}`, alices.value)!
  await store.replace(bobsKey, version => sealer.seal('account-record', `${bobsKey} ${version}`, text), 60_000)
  await fails(t, one.provider.acquire(bobs, orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.equal(entra.calls.length, 2, 'the cached one is not it, and the renewed one is not either')
})

t.test('what is not a record is none', async t => {
  const { store, replicas: [one] } = await createBench(t)
  const holder = await one.signIn()
  for (const text of ['', 'x', 'null', '7', '{}', '{"sub":"s","endsAt":1}', '{"sub":1,"endsAt":1,"cache":"{}"}']) {
    await store.replace(recordKey, version => sealer.seal('account-record', `${recordKey} ${version}`, text), 60_000)
    t.match(await one.provider.acquire(holder, graph), { kind: 'sign-in-needed', reason: 'sign_in_required', endSession: false })
  }
})

t.test('C12.3 what the provider says to one replica about its pause holds for the others', async t => {
  const { entra, clock, replicas: [one, two] } = await createBench(t)
  const holder = await one.signIn()
  entra.onToken = () => ({ status: 429, body: {}, headers: { 'retry-after': '20' } })
  await fails(t, one.provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE', retryAfterMs: Number })
  entra.onToken = () => undefined
  clock.advance(5000)
  const there = two.holder(holder.account)
  const { retryAfterMs } = await fails(t, two.provider.acquire(there, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.ok(retryAfterMs! >= 15_000 && retryAfterMs! <= 25_000, `${retryAfterMs}`)
  t.match(await two.provider.acquire(there, orders), { kind: 'token' }, 'what is in the record goes on')
  t.equal(entra.calls.length, 2)
  clock.advance(25_000)
  t.match(await two.provider.acquire(there, graph), { kind: 'token' })
})

t.test('C12.3 an outage that one replica sees keeps no other one from asking', async t => {
  const { entra, replicas: [one, two] } = await createBench(t)
  const holder = await one.signIn()
  entra.onToken = () => ({ raw: (_, socket) => { socket.destroy() } })
  await fails(t, one.provider.acquire(holder, graph), { code: 'SG_PROVIDER_UNAVAILABLE' })
  entra.onToken = () => undefined
  t.match(await two.provider.acquire(two.holder(holder.account), graph), { kind: 'token' })
})
