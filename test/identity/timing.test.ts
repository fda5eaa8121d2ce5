/** The small parts that decide when: lives of tokens, pauses, breaker, turns and rounds. */
import t from 'tap'
import { type BackOff, createBackOff } from '../../src/identity/back-off.ts'
import { createBreaker } from '../../src/identity/breaker.ts'
import { createFlights, createTurns } from '../../src/identity/flights.ts'
import { lifetimeOf } from '../../src/identity/lifetime.ts'
import { createRounds } from '../../src/identity/rounds.ts'
import { createSlots } from '../../src/identity/slots.ts'
import { createMemoryStore } from '../../src/store/memory.ts'

const minute = 60_000

t.test('an hour\'s token is used for 59 minutes and renewed after 54', async t => {
  t.strictSame(lifetimeOf({ expiresAt: 60 * minute }, 0, 0), { softAt: 54 * minute, hardAt: 59 * minute })
})

t.test('renewals are spread over a minute, earlier and never later', async t => {
  t.equal(lifetimeOf({ expiresAt: 60 * minute }, 0, 1).softAt, 53 * minute)
})

t.test('the provider may ask for a renewal earlier, not later', async t => {
  t.equal(lifetimeOf({ expiresAt: 60 * minute, refreshAt: 30 * minute }, 0, 0).softAt, 30 * minute)
  t.equal(lifetimeOf({ expiresAt: 60 * minute, refreshAt: 59 * minute }, 0, 0).softAt, 54 * minute)
})

t.test('a short life is used for half of it and renewed before', async t => {
  const { softAt, hardAt } = lifetimeOf({ expiresAt: 60_000 }, 0, 0.5)
  t.equal(hardAt, 30_000)
  t.ok(softAt > 0 && softAt < hardAt)
})

t.test('no life is none', async t => {
  for (const expiresAt of [0, -5000]) t.ok(lifetimeOf({ expiresAt }, 0, 0.5).hardAt <= 0)
})

t.test('the breaker opens after failures in a row, lets one try after the pause, and closes on success', async t => {
  let now = 0
  const breaker = createBreaker({ failures: 3, pauseMs: 1000, now: () => now })
  for (let n = 0; n < 2; n++) breaker.failed()
  breaker.succeeded()
  for (let n = 0; n < 2; n++) breaker.failed()
  t.equal(breaker.wait(), 0)
  breaker.failed()
  t.equal(breaker.wait(), 1000)
  now = 400
  t.equal(breaker.wait(), 600)
  now = 1000
  t.equal(breaker.wait(), 0)
  t.equal(breaker.wait(), 1000, 'the second caller waits for the first')
  breaker.succeeded()
  t.equal(breaker.wait(), 0)
  for (let n = 0; n < 3; n++) breaker.failed()
  now = -1_000_000
  t.equal(breaker.wait(), 1000, 'a clock stepped back does not lengthen the pause')
})

t.test('while one tries, the others are told to come again soon, and to stay away when it failed', async t => {
  let now = 0
  const breaker = createBreaker({ failures: 1, pauseMs: 5000, now: () => now })
  breaker.failed()
  t.equal(breaker.wait(), 5000)
  now = 5000
  t.equal(breaker.wait(), 0)
  t.equal(breaker.wait(), 1000)
  breaker.failed()
  t.equal(breaker.wait(), 5000)
  now = 10_000
  breaker.wait()
  now = 14_500
  t.equal(breaker.wait(), 500, 'one that never ends is followed by another')
  now = 15_000
  t.equal(breaker.wait(), 0)
})

t.test('an account\'s pauses double up to 30 s, follow the provider\'s word, and end with success', async t => {
  let now = 0
  const backOff = createBackOff({ store: createMemoryStore({ now: () => now }), now: () => now, random: () => 0 })
  const pauses: number[] = []
  for (let n = 1; n <= 7; n++) {
    await backOff.failed('a', {})
    pauses.push(backOff.wait('a'))
  }
  t.strictSame(pauses, [750, 1500, 3000, 6000, 12_000, 22_500, 22_500])
  t.equal(backOff.wait('b'), 0)
  await backOff.failed('a', { retryAfterMs: 300_000 })
  now = 299_999
  t.equal(backOff.wait('a'), 1)
  now = 300_000
  t.equal(backOff.wait('a'), 0)
  now = -1_000_000
  t.equal(backOff.wait('a'), 300_000)
  backOff.succeeded('a')
  t.equal(backOff.wait('a'), 0)
})

t.test('pauses of the provider\'s word are never shorter, and spread over four seconds', async t => {
  const pauseFor = async (retryAfterMs: number, random: number): Promise<number> => {
    const backOff = createBackOff({ store: createMemoryStore({ now: () => 0 }), now: () => 0, random: () => random })
    await backOff.failed('a', { retryAfterMs })
    return backOff.wait('a')
  }
  t.strictSame([await pauseFor(4000, 0), await pauseFor(4000, 0.5), await pauseFor(4000, 1)], [4000, 6000, 8000])
  t.equal(await pauseFor(300_000, 1), 304_000)
  t.equal(await pauseFor(0, 0), 1000, 'no word for "at once"')
})

t.test('what the provider said is known to all replicas for as long as it holds; what a replica found out is its own', async t => {
  let now = 1_000_000
  const store = createMemoryStore({ now: () => now })
  const [one, two] = [1, 2].map(() => createBackOff({ store, now: () => now, random: () => 0 })) as [BackOff, BackOff]
  await one.failed('a', { retryAfterMs: 20_000 })
  t.equal(two.wait('a'), 0)
  t.equal(await two.sharedWait('b'), 0)
  t.equal(await two.sharedWait('a'), 20_000)
  t.equal(two.wait('a'), 20_000, 'and need not be read again')
  now += 20_000
  t.equal(await two.sharedWait('a'), 0)
  t.equal(two.wait('a'), 0)
  await one.failed('a', {})
  await one.failed('a', { retryAfterMs: 9000, isLocal: true })
  t.equal(await two.sharedWait('a'), 0)
})

t.test('a replica whose clock differs waits as long as the record is there; what is no instant counts as none', async t => {
  const store = createMemoryStore({ now: () => 0 })
  const [early, here, late] = [-3_600_000, 0, 3_600_000].map(ms =>
    createBackOff({ store, now: () => 1e12 + ms, random: () => 0 })) as [BackOff, BackOff, BackOff]
  await here.failed('a', { retryAfterMs: 20_000 })
  t.equal(await late.sharedWait('a'), 1000)
  t.equal(await early.sharedWait('a'), 304_000, 'never longer than a provider may ask for')
  for (const text of ['', 'x', '-1', '1e400', '{}', '0']) {
    await store.set('b:pause', text, 60_000)
    t.equal(await here.sharedWait('b'), 0, text)
  }
})

t.test('a store that does not take it does not matter to who was told', async t => {
  const store = { get: async () => undefined, set: async () => { throw new Error('down') } }
  const backOff = createBackOff({ store, now: () => 0, random: () => 0 })
  await backOff.failed('a', { retryAfterMs: 20_000 })
  t.equal(backOff.wait('a'), 20_000)
})

t.test('pauses are bounded: the oldest are forgotten', async t => {
  const backOff = createBackOff({ store: createMemoryStore({ now: () => 0 }), now: () => 0, random: () => 0 })
  for (let n = 0; n <= 10_000; n++) await backOff.failed(`a${n}`, { retryAfterMs: 1000, isLocal: true })
  t.equal(backOff.wait('a0'), 0)
  t.equal(backOff.wait('a10000'), 1000)
})

t.test('a flight is joined while it lasts, and its failure is everyone\'s', async t => {
  const flights = createFlights<number>()
  let started = 0
  const start = async (): Promise<number> => ++started
  t.strictSame(await Promise.all([flights.join('a', start), flights.join('a', start), flights.join('b', start)]), [1, 1, 2])
  t.equal(await flights.join('a', start), 3)
  const fail = async (): Promise<number> => { throw new Error('no') }
  const results = await Promise.allSettled([flights.join('a', fail), flights.join('a', start)])
  t.strictSame(results.map(({ status }) => status), ['rejected', 'rejected'])
  t.equal(await flights.join('a', start), 4)
})

t.test('turns of one name follow each other, whatever became of the one before', async t => {
  const turns = createTurns()
  const log: string[] = []
  const work = (name: string, ms: number, fails = false) => async (): Promise<string> => {
    log.push(`${name}+`)
    await new Promise(resolve => setTimeout(resolve, ms))
    log.push(`${name}-`)
    if (fails) throw new Error(name)
    return name
  }
  const results = await Promise.allSettled([
    turns.take('x', work('a', 20)), turns.take('x', work('b', 10, true)), turns.take('x', work('c', 1)), turns.take('y', work('d', 5))
  ])
  t.strictSame(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  t.strictSame(log.filter(line => !line.startsWith('d')), ['a+', 'a-', 'b+', 'b-', 'c+', 'c-'])
  t.ok(log.indexOf('d-') < log.indexOf('a-'), 'another name does not wait')
})

t.test('a round is worth trying once, and again after ten minutes', async t => {
  let now = 0
  const rounds = createRounds(() => now)
  t.ok(rounds.begin('a', 's1'))
  t.ok(rounds.begin('a', 's1'), 'nobody has signed in since')
  t.notOk(rounds.begin('a', 's2'))
  t.ok(rounds.begin('b', 's2'))
  now = 600_000
  t.ok(rounds.begin('a', 's2'))
})

t.test('rounds are bounded: the oldest are forgotten', async t => {
  const rounds = createRounds(() => 0)
  for (let n = 0; n <= 10_000; n++) rounds.begin(`a${n}`, 's1')
  t.ok(rounds.begin('a0', 's2'))
  t.notOk(rounds.begin('a10000', 's2'))
})

t.test('so many go at once, the others in their order, and who waits too long is told', async t => {
  const slots = createSlots({ count: 2, maxWaitMs: 50 })
  const [first, second] = [await slots.take(), await slots.take()]
  const order: number[] = []
  const takeAs = async (n: number) => {
    const giveBack = await slots.take()
    order.push(n)
    return giveBack
  }
  t.strictSame(await Promise.all([takeAs(3), takeAs(4)]), [undefined, undefined])
  const [fifth, sixth] = [takeAs(5), takeAs(6)]
  first!()
  const giveBack = await fifth
  t.strictSame(order, [3, 4, 5])
  giveBack!()
  t.ok(await sixth)
  second!()
  t.ok(await slots.take(), 'one is free again')
})
