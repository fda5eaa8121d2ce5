/** This file takes the provider away from many users for half an hour, and counts what it is asked when it is back. */
import t from 'tap'
import type { SessionHolder } from '../../src/identity/holder.ts'
import { createGateway, graph, orders, reports, tokenOf, type Gateway } from './support/gateway.ts'
import { startProvider, tokens, type ScriptedProvider } from './support/provider.ts'

const users = 200
const minuteMs = 60_000

/** An id that is no other user's. */
function oidOf (n: number): string {
  return `33333333-3333-4333-8333-${String(n).padStart(12, '0')}`
}

t.test('C12.9 an outage of half an hour ends no session, and each user costs one renewal after it', async t => {
  const entra = await startProvider(t)
  entra.expiresIn = 3600
  const { provider, signIn, clock } = await createGateway(t, entra)
  const holders: SessionHolder[] = []
  for (let n = 0; n < users; n++) {
    entra.oid = oidOf(n)
    holders.push(await signIn())
  }
  const bearers = await Promise.all(holders.map(async holder => tokenOf(await provider.acquire(holder, orders)).bearer))
  /** Three requests of every user at once. */
  const ask = async () => await Promise.allSettled(holders.flatMap(holder =>
    [1, 2, 3].map(async () => await provider.acquire(holder, orders))))

  entra.onToken = () => ({ status: 503, body: '<html>' })
  clock.advance(30 * minuteMs)
  const calm = entra.calls.length
  for (let minutes = 30; minutes < 58; minutes += 4) {
    const used = await Promise.all(holders.map(async holder => tokenOf(await provider.acquire(holder, orders)).bearer))
    t.strictSame(used, bearers, `after ${minutes} minutes`)
    clock.advance(4 * minuteMs)
  }
  t.ok(entra.calls.length - calm <= 2 * users, `${entra.calls.length - calm} calls while the provider was away and tokens were good`)
  clock.advance(2 * minuteMs)
  const away = await ask()
  t.strictSame([...new Set(away.map(one => one.status === 'rejected' ? one.reason.code : one.status))], ['SG_PROVIDER_UNAVAILABLE'])

  const renewed = new Map<string, number>()
  entra.onToken = ({ form }) => {
    const user = form.get('refresh_token')!
    entra.oid = user.replace(/^rt-\d+-/, '')
    renewed.set(entra.oid, (renewed.get(entra.oid) ?? 0) + 1)
    return undefined
  }
  let after = away
  for (let rounds = 0; rounds < 20 && after.some(({ status }) => status === 'rejected'); rounds++) {
    clock.advance(minuteMs)
    after = await ask()
  }
  t.strictSame([...new Set(after.map(one => one.status === 'fulfilled' ? one.value.kind : one.status))], ['token'])
  t.equal(renewed.size, users)
  t.strictSame([...new Set(renewed.values())], [1], 'one renewal each')
})

const some = 100

async function signInSome (entra: ScriptedProvider, { signIn }: Gateway): Promise<SessionHolder[]> {
  const holders: SessionHolder[] = []
  for (let n = 0; n < some; n++) {
    entra.oid = oidOf(n)
    holders.push(await signIn())
  }
  return holders
}

t.test('C12.9 whose tokens ended in an outage come back spread over seconds, and nobody has to sign in', async t => {
  const entra = await startProvider(t)
  const gateway = await createGateway(t, entra, { random: Math.random })
  const { provider, clock } = gateway
  const holders = await signInSome(entra, gateway)
  clock.stop()
  const ask = async () => await Promise.allSettled(holders.map(async holder => await provider.acquire(holder, graph)))
  entra.onToken = () => ({ status: 503, body: '<html>' })
  for (let n = 0; n < 12; n++) {
    const away = await ask()
    t.strictSame([...new Set(away.map(one => one.status === 'rejected' ? one.reason.code : one.value.kind))], ['SG_PROVIDER_UNAVAILABLE'])
    clock.advance(5000)
  }
  t.ok(entra.calls.length - some < 60, `${entra.calls.length - some} calls in a minute of outage`)

  const back = entra.calls.length
  let underWay = 0
  let most = 0
  entra.onToken = async ({ form }) => {
    most = Math.max(most, ++underWay)
    entra.oid = form.get('refresh_token')!.replace(/^rt-\d+-/, '')
    const body = await tokens({ ...entra }, form)
    await new Promise(resolve => { setTimeout(resolve, 5) })
    underWay--
    return { body }
  }
  const perRound: number[] = []
  for (let round = 0; round < 60; round++) {
    const before = entra.calls.length
    const answers = await ask()
    t.strictSame(answers.filter(one => one.status === 'fulfilled' ? one.value.kind !== 'token' : one.reason.code !== 'SG_PROVIDER_UNAVAILABLE'), [])
    perRound.push(entra.calls.length - before)
    if (answers.every(({ status }) => status === 'fulfilled')) break
    clock.advance(500)
  }
  t.equal(entra.calls.length - back, some, 'one renewal each')
  t.ok(Math.max(...perRound) <= some * 0.6, `calls each half a second: ${perRound.join(' ')}`)
  t.ok(most <= 32, `${most} at once`)
})

t.test('C12.3 a slow provider with a queue in front is no provider that is down', async t => {
  const entra = await startProvider(t)
  const gateway = await createGateway(t, entra)
  const holders = await signInSome(entra, gateway)
  entra.onToken = async ({ form }) => {
    entra.oid = form.get('refresh_token')!.replace(/^rt-\d+-/, '')
    const body = await tokens({ ...entra }, form)
    await new Promise(resolve => { setTimeout(resolve, 1200) })
    return { body }
  }
  const answers = await Promise.allSettled(holders.map(async holder => await gateway.provider.acquire(holder, graph)))
  const served = answers.filter(({ status }) => status === 'fulfilled')
  t.ok(served.length >= 32, `${served.length} were served`)
  t.ok(served.length < some, 'the others were told to come again, soon')
  t.strictSame([...new Set(answers.flatMap(one => one.status === 'rejected' ? [one.reason.code] : []))], ['SG_PROVIDER_UNAVAILABLE'])
  gateway.clock.advance(5000)
  const late = holders[answers.findIndex(({ status }) => status === 'rejected')]!
  t.match(await gateway.provider.acquire(late, graph), { kind: 'token' }, 'nothing is closed for the next one')
})

t.test('C6.6 tokens of several scope sets are renewed behind requests, each once, without one waiting for it', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, clock } = await createGateway(t, entra)
  const holder = await signIn()
  const sets = [orders, graph, reports]
  const before: string[] = []
  for (const set of sets) before.push(tokenOf(await provider.acquire(holder, set)).bearer)
  const calls = entra.calls.length
  const softAts = await Promise.all(sets.map(async set => tokenOf(await provider.acquire(holder, set)).softAt))
  clock.advance(Math.max(...softAts) - clock.now())
  for (let n = 0; n < 3; n++) for (const [i, set] of sets.entries()) t.match(provider.acquire(holder, set), { bearer: before[i] }, 'at once')
  for (let n = 0; n < 2000 && entra.calls.length < calls + 3; n++) await new Promise(resolve => { setTimeout(resolve, 10) })
  await new Promise(resolve => { setTimeout(resolve, 50) })
  t.equal(entra.calls.length - calls, 3)
  for (const [i, set] of sets.entries()) {
    const renewed = provider.acquire(holder, set)
    t.notOk(renewed instanceof Promise)
    t.not(tokenOf(await renewed).bearer, before[i])
  }
})
