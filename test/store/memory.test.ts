/** This file holds the memory store to the contract of all stores, and to giving memory back. */
import { setFlagsFromString } from 'node:v8'
import { setTimeout as delay } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { createClock } from '../support/clock.ts'
import { until } from '../support/redis.ts'
import { storeContract } from './contract.ts'

const hour = 3_600_000

await storeContract(t, t => {
  const clock = createClock()
  const store = createMemoryStore({ now: clock.now })
  t.teardown(store.close)
  const replica = (): Store => {
    const stranger = createMemoryStore({ now: clock.now })
    t.teardown(stranger.close)
    return stranger
  }
  return { store, replica, advance: ms => { clock.advance(ms / 1000) } }
}, { messages: 'this process' })

function heapBytes (): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

t.test('expired records that nobody asks for are swept out', async t => {
  const clock = createClock()
  const store = createMemoryStore({ now: clock.now, sweepMs: 20 })
  t.teardown(store.close)
  const empty = heapBytes()
  for (let i = 0; i < 40; i++) await store.set(`k${i}`, Buffer.alloc(500_000, i).toString('latin1'), hour)
  await delay(60)
  t.ok(heapBytes() - empty > 15e6, 'live records are kept')
  clock.advance(hour / 1000 + 1)
  await until('their memory to be free', () => heapBytes() - empty < 5e6)
})

t.test('a closed store sweeps no more', async t => {
  let asked = 0
  const store = createMemoryStore({ now: () => ++asked, sweepMs: 5 })
  await until('a sweep', () => asked > 0)
  await store.close()
  const before = asked
  await delay(50)
  t.equal(asked, before)
})
