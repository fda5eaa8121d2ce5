/**
 * This file checks what becomes of a session record that does not open (security.md, S8): broken ones go, those that another
 * replica may be able to open stay.
 */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createKeyRing } from '../../src/store/key-ring.ts'
import { createRecordSealer } from '../../src/store/sealed.ts'
import { limits, sessionAt, sessionWorld } from './support.ts'

const ring = { id: 'k2', secret: randomBytes(32) }

/** Puts something else in place of the record of a session. */
async function replaced (t: Test, change: (record: string, world: ReturnType<typeof sessionWorld>) => string | Promise<string>) {
  const world = sessionWorld(t)
  const { header, key } = await world.signIn()
  const record = await change((await world.store.get(key))!, world)
  await world.store.set(key, record, limits.idleMs)
  const found = await world.reader.find(header)
  return { found, left: await world.store.get(key), record, broken: world.broken.length }
}

const flipped = (record: string): string => record.slice(0, 30) + (record[30] === 'A' ? 'B' : 'A') + record.slice(31)

for (const [what, change] of Object.entries<Parameters<typeof replaced>[1]>({
  'that is empty': () => '',
  'that is rubbish': () => '{"user":{}}',
  'with one bit changed': flipped,
  'that was cut off': record => record.slice(0, -10),
  'without its content': () => '1.k1.',
  'with something behind it': record => `${record}.x`,
  'of another session': async (_, { signIn, store }) => (await store.get((await signIn()).key))!,
  'for another purpose': (_, { sealer }) => sealer.seal('account-record', 's:x', '{}')
})) {
  t.test(`a record ${what} is nobody's and is deleted`, async t => {
    const { found, left, broken } = await replaced(t, change)
    t.equal(found, undefined)
    t.equal(left, undefined)
    t.equal(broken, 1, 'and somebody is told')
  })
}

for (const [what, change] of Object.entries<Parameters<typeof replaced>[1]>({
  'of a later form': record => `2${record.slice(1)}`,
  'of a much later form': () => '37.some.thing:else',
  'under a key that another replica has already': () => {
    return createRecordSealer(createKeyRing([ring], 'gw')).seal('session-record', 's:x', JSON.stringify(sessionAt(Date.now())))
  }
})) {
  t.test(`a record ${what} is nobody's here, and stays`, async t => {
    const { found, left, record, broken } = await replaced(t, change)
    t.equal(found, undefined)
    t.equal(left, record)
    t.equal(broken, 0)
  })
}

t.test('a record that opens and is not a session as we know it stays: a later version wrote it, or its session is about to begin', async t => {
  const world = sessionWorld(t)
  const { header, key } = await world.signIn()
  for (const text of ['{}', '{"account":{"id":"x"},"form":2}', 'not json']) {
    const record = world.sealer.seal('session-record', key, text)
    await world.store.set(key, record, limits.idleMs)
    t.equal(await world.reader.find(header), undefined)
    t.equal(await world.store.get(key), record)
  }
  t.same(world.broken, [])
})

t.test('a store that cannot delete it does not make it an error', async t => {
  const world = sessionWorld(t, { delete: async () => { throw new Error('away') } })
  const { header, key } = await world.signIn()
  await world.store.set(key, 'rubbish', limits.idleMs)
  t.equal(await world.reader.find(header), undefined)
})
