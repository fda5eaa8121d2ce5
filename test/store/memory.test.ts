/** This file holds the memory store to the contract of all stores, and to giving memory back. */
import { setFlagsFromString } from 'node:v8'
import { setTimeout as delay } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { createMemoryStore } from '../../src/store/memory.ts'
import { createClock } from '../support/clock.ts'
import { storeContract } from './contract.ts'

await storeContract(t, t => {
  const clock = createClock()
  const store = createMemoryStore({ now: clock.now })
  t.teardown(store.close)
  return { store, advance: ms => { clock.advance(ms / 1000) } }
})

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
  for (let i = 0; i < 40; i++) await store.set(`k${i}`, Buffer.alloc(500_000, i).toString('latin1'), 1000)
  await delay(60)
  t.ok(heapBytes() - empty > 15e6, 'live records are kept')
  clock.advance(2)
  await delay(60)
  t.ok(heapBytes() - empty < 5e6, 'their memory is free')
})

t.test('a closed store sweeps no more', async t => {
  let asked = 0
  const store = createMemoryStore({ now: () => ++asked, sweepMs: 5 })
  await delay(50)
  t.ok(asked > 0, 'it did sweep')
  await store.close()
  const before = asked
  await delay(50)
  t.equal(asked, before)
})
