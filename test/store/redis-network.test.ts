/** This file puts a bad network between the store and its Redis (security.md, C11.2 and C11.3). */
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { commandMs } from '../../src/store/deadline.ts'
import { createRedisStore, type RedisStore } from '../../src/store/redis/store.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { longTurnsDuring } from '../support/loop.ts'
import { startRedis, until } from '../support/redis.ts'

const log = { info () {}, warn () {}, error () {} }
const hour = 3_600_000
/** What takes less has waited for no deadline; machines that do something else take some of it. */
const atOnceMs = commandMs - 100
/** What a reconnection may take: the longest back-off, a connection and a check (docs/redis.md); twice that on a slow machine. */
const soonMs = 8000
const server = await startRedis(t)

async function world (t: Test): Promise<{ store: RedisStore, proxy: FaultProxy }> {
  await server.cli('flushall')
  const proxy = await startFaultProxy(t, server.port)
  const store = createRedisStore({ keyPrefix: 'gw', log, url: `redis://127.0.0.1:${proxy.port}` })
  t.teardown(store.close)
  await store.ready()
  await store.set('a', 'one', hour)
  return { store, proxy }
}

async function failureMs (t: Test, operation: Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await t.rejects(operation, { code: 'SG_STORE_UNAVAILABLE' })
  return performance.now() - startedAt
}

const lasting: ReadonlyArray<readonly [string, Fault]> = [
  ['answers that take 2 s', { kind: 'delay', ms: 2000, jitterMs: 200 }],
  ['a hole', { kind: 'blackhole' }],
  ['resets', { kind: 'reset' }]
]

for (const [what, fault] of lasting) {
  t.test(`${what}: deadlines, then a breaker; all is well soon after the network is`, async t => {
    const { store, proxy } = await world(t)
    proxy.set(fault)
    const longTurns = await longTurnsDuring(async () => {
      for (let i = 0; i < 5; i++) t.ok(await failureMs(t, store.get('a')) < 2 * commandMs, 'no longer than one deadline')
      for (let i = 0; i < 20; i++) t.ok(await failureMs(t, store.get('a')) < atOnceMs, 'at once')
      t.ok(await failureMs(t, store.set('a', 'two', hour)) < atOnceMs)
      await until('the trouble to be seen', () => !store.isReady())
      await delay(500)
      t.notOk(store.isReady())
    })
    t.ok(longTurns <= 5, `the loop was held up ${longTurns} times`)
    proxy.set({ kind: 'pass' })
    await until('a connection', () => store.isReady(), soonMs)
    t.equal(await store.get('a'), 'one', 'the first operation works; what failed was not done')
    await until('old connections to be gone', () => proxy.connections() === 1)
  })
}

t.test('answers that take 200 ms are answers', async t => {
  const { store, proxy } = await world(t)
  proxy.set({ kind: 'delay', ms: 200, jitterMs: 50 })
  for (let i = 0; i < 8; i++) t.equal(await store.get('a'), 'one')
  t.ok(store.isReady())
})

t.test('an answer that is cut off is no answer', async t => {
  const { store, proxy } = await world(t)
  const value = 'x'.repeat(20_000)
  await store.set('big', value, hour)
  await store.replace('versioned', value, hour)
  for (const afterBytes of [1, 12, 1000]) {
    for (const operation of [async () => await store.get('big'), async () => await store.read('versioned')]) {
      proxy.set({ kind: 'cut', afterBytes })
      await failureMs(t, operation())
      await until('a connection', () => store.isReady(), soonMs)
      t.equal(await store.get('big'), value)
    }
  }
})

t.test('a connection that died without a sign is found by itself, before a user finds it', async t => {
  const { store, proxy } = await world(t)
  proxy.set({ kind: 'half-open' })
  await until('the trouble to be seen', () => !store.isReady(), soonMs)
  await until('another connection', () => store.isReady(), soonMs)
  t.equal(await store.get('a'), 'one')
})

t.test('so is one that messages should come over', async t => {
  const { store, proxy } = await world(t)
  const heard: string[] = []
  let gaps = 0
  store.subscribe('t', message => { heard.push(message) }, () => { gaps++ })
  await until('a subscription', () => gaps === 1)
  proxy.set({ kind: 'half-open' })
  await until('a gap', () => gaps === 2, soonMs)
  await until('another connection', () => store.isReady(), soonMs)
  await store.publish('t', 'after')
  await until('a message', () => heard.includes('after'))
})

t.test('a lock whose answer came too late is not left behind', async t => {
  const { store, proxy } = await world(t)
  proxy.set({ kind: 'delay', ms: 900 })
  await failureMs(t, store.lock('l', hour, 5000))
  proxy.set({ kind: 'pass' })
  await until('a connection', () => store.isReady(), soonMs)
  await until('the lock', async () => await store.lock('l', hour, 2000).then(lease => lease !== undefined, () => false))
})
