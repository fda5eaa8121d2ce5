/** This file checks what a copy costs that is too old: two looks into the store, and no more unless something has changed. */
import t from 'tap'
import type { LiveSession, SessionReader } from '../../src/session/reader.ts'
import { touchedSession } from '../../src/session/session.ts'
import { notSeen, stampOf } from '../../src/store/sealed.ts'
import { limits, oid, sessionWorld, tid } from './support.ts'

async function found (reader: SessionReader, header: string): Promise<LiveSession> {
  return (await reader.find(header))!
}

t.test('a record that is as it was is not opened again: the same copy is believed for another 30 seconds', async t => {
  const { reader, calls, clock, opened, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  const copy = await found(reader, header)
  for (let times = 0; times < 5; times++) {
    clock.advance(31)
    t.equal(await found(reader, header), copy)
    t.equal(reader.find(header), copy)
  }
  t.same(calls, Array(6).fill(`get ${key}`))
  t.same(opened, [key])
})

t.test('what this process has touched itself is not opened again', async t => {
  const { reader, clock, opened, signIn } = sessionWorld(t)
  const { header } = await signIn()
  const copy = await found(reader, header)
  clock.advance(61)
  const touchedAt = clock.now()
  reader.touch(await found(reader, header))
  await new Promise(resolve => { setImmediate(resolve) })
  clock.advance(31)
  t.equal(await found(reader, header), copy)
  t.ok(copy.session.idleEndsAt >= touchedAt + limits.idleMs)
  t.equal(opened.length, 1)
})

t.test('what another replica has touched is read', async t => {
  const { reader, records, clock, signIn } = sessionWorld(t)
  const { header, key, session } = await signIn()
  const copy = await found(reader, header)
  clock.advance(31)
  const touched = touchedSession(session, clock.now(), limits)
  await records.update(key, touched)
  const again = await found(reader, header)
  t.not(again, copy)
  t.same(again.session, touched)
})

t.test('newer claims of the user are read, and stay when only the record is another', async t => {
  const { reader, records, newest, clock, signIn } = sessionWorld(t)
  const { header, key, session } = await signIn()
  await found(reader, header)
  newest({ oid, tid, iat: 2, roles: ['Admin'] })
  clock.advance(31)
  t.same((await found(reader, header)).session.claims['roles'], ['Admin'])
  await records.update(key, touchedSession(session, clock.now(), limits))
  clock.advance(31)
  t.same((await found(reader, header)).session.claims['roles'], ['Admin'], 'the record has older ones')
  newest({ oid, tid, iat: 3, roles: ['Reader'] })
  clock.advance(31)
  t.same((await found(reader, header)).session.claims['roles'], ['Reader'])
})

t.test('a record that was broken or replaced meanwhile is nobody\'s', async t => {
  const { reader, store, sealer, broken, clock, signIn } = sessionWorld(t)
  const { header, key, session } = await signIn()
  await found(reader, header)
  await store.set(key, sealer.seal('session-record', 's:other', JSON.stringify(session)), limits.idleMs)
  clock.advance(31)
  t.equal(await reader.find(header), undefined)
  t.equal(broken.length, 1)
})

t.test('a copy that was dropped while it was read again does not come back', async t => {
  const { reader, records, store, clock, calls, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  await found(reader, header)
  clock.advance(31)
  const reading = reader.find(header)
  await records.end(key)
  reader.forget(key)
  t.equal(await reading, undefined)
  t.equal(await store.get(key), undefined)
  t.ok(calls.length > 0)
})

t.test('stamps: each sealing has its own, nothing has 0, and what was never sealed is like nothing', async t => {
  const { sealer } = sessionWorld(t)
  const seal = (): string => sealer.seal('session-record', 's:x', 'the same')
  t.equal(new Set(Array.from({ length: 1000 }, () => stampOf(seal()))).size, 1000)
  const once = seal()
  t.equal(stampOf(once), stampOf(once))
  t.equal(stampOf(undefined), 0)
  for (const text of ['', '1', '1.k1', '1.k1.', '1.k1.AAAA', '{}', '1.k1.!!!!!!!!!!!']) t.ok(Number.isNaN(stampOf(text)), text)
  t.not(notSeen, notSeen)
})
