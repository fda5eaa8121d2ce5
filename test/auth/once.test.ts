/** This file checks what is done once across replicas: not twice, and not never. */
import t, { type Test } from 'tap'
import { once } from '../../src/auth/once.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { createClock } from '../support/clock.ts'

const work = { name: 'lt:x', rememberMs: 60_000 }

function createStore (t: Test, parts: Partial<Store> = {}) {
  const clock = createClock()
  const store = createMemoryStore({ now: clock.now })
  t.teardown(store.close)
  let count = 0
  return { clock, store: { ...store, ...parts }, run: async () => { count++ }, count: () => count }
}

t.test('of many at once one does it, and later ones find it done, for as long as it is remembered', async t => {
  const { clock, store, run, count } = createStore(t)
  const done = await Promise.all(Array.from({ length: 20 }, async () => await once(store, work, run)))
  t.equal(done.filter(Boolean).length, 1)
  clock.advance(59)
  t.equal(await once(store, work, run), false)
  t.equal(count(), 1)
  t.equal(await once(store, { ...work, name: 'lt:y' }, run), true, 'another name is another thing')
  clock.advance(2)
  t.equal(await once(store, work, run), true)
})

t.test('what failed is not done: it can be asked for again at once', async t => {
  const { store, run, count } = createStore(t)
  await t.rejects(once(store, work, async () => { throw new Error('half way') }), { message: 'half way' })
  t.equal(await once(store, work, run), true)
  t.equal(count(), 1)
})

t.test('what could not be remembered is not called done', async t => {
  const { store, run } = createStore(t, { set: async () => { throw new Error('down') } })
  await t.rejects(once(store, work, run), { message: 'down' })
})

t.test('when nobody can tell whether it is done, nothing is', async t => {
  const { store, run, count } = createStore(t, { lock: async () => undefined })
  await t.rejects(once(store, work, run), { code: 'SG_STORE_UNAVAILABLE' })
  t.equal(count(), 0)
})
