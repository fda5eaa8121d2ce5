/** This file checks the hot path of sessions: copies that are fresh, copies that are not, and sign-outs that come in between. */
import t from 'tap'
import { errors } from '../../src/errors.ts'
import { createSessionReader, type LiveSession } from '../../src/session/reader.ts'
import { cookieName, limits, sessionWorld } from './support.ts'

function now (found: LiveSession | undefined | Promise<LiveSession | undefined>): LiveSession | undefined {
  if (found instanceof Promise) throw new Error('the reader had to wait')
  return found
}

t.test('a session is read from the store once and then answered at once', async t => {
  const { reader, calls, signIn } = sessionWorld(t)
  const { header, key, session } = await signIn()
  const first = await reader.find(header)
  t.match(first, { key, account: session.account, absoluteEndsAt: session.absoluteEndsAt, session })
  for (let i = 0; i < 10; i++) t.equal(now(reader.find(`a=1; ${header}`)), first)
  t.same(calls, [`get ${key}`])
})

t.test('a copy is believed for 30 seconds, then the store is asked again', async t => {
  const { reader, calls, clock, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  await reader.find(header)
  clock.advance(29)
  t.ok(now(reader.find(header)))
  clock.advance(2)
  const again = reader.find(header)
  t.ok(again instanceof Promise)
  t.ok(await again)
  t.same(calls, [`get ${key}`, `get ${key}`])
  t.ok(now(reader.find(header)), 'the new copy is fresh')
})

t.test('a copy from the future, after a clock was set back, is not believed', async t => {
  const { reader, calls, clock, signIn } = sessionWorld(t)
  const { header } = await signIn()
  await reader.find(header)
  clock.advance(-3600)
  t.ok(reader.find(header) instanceof Promise)
  t.equal(calls.length, 2)
})

t.test('a session that was deleted elsewhere is gone within 30 seconds, and so is its copy', async t => {
  const { reader, store, clock, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  await reader.find(header)
  await store.delete(key)
  clock.advance(31)
  t.equal(await reader.find(header), undefined)
  t.equal(await reader.find(header), undefined)
})

t.test('an idle session ends on its own, copy or not', async t => {
  const { reader, store, sealer, clock, signIn } = sessionWorld(t)
  const { header, key, session } = await signIn()
  clock.advance(limits.idleMs / 1000 - 10)
  t.ok(await reader.find(header))
  clock.advance(11)
  t.equal(await reader.find(header), undefined, 'the copy is fresh and its session over')
  await store.set(key, sealer.seal('session-record', key, JSON.stringify(session)), 2 * limits.absoluteMs)
  t.ok(await reader.find(header), 'a record that is still there was touched by another clock')
  clock.advance(3600)
  t.equal(await reader.find(header), undefined, 'a record that the store kept too long does not help')
})

t.test('CVE-2024-35220 no use carries a session over its absolute end', async t => {
  const { reader, store, clock, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  for (let seconds = 0; seconds < limits.absoluteMs / 1000; seconds += 600) {
    const live = await reader.find(header)
    t.ok(live, `still there after ${seconds} s of steady use`)
    reader.touch(live!)
    await store.get(key)
    clock.advance(600)
  }
  t.equal(await reader.find(header), undefined)
})

t.test('C4.7 cookies that are not ours cost no store call', async t => {
  const { reader, calls, signIn } = sessionWorld(t)
  const { header } = await signIn()
  const value = header.slice(header.indexOf('=') + 1)
  for (const stranger of [undefined, '', 'a=1', `${cookieName}=`, `${cookieName}=x`, `${header.slice(0, -1)}`, `${header}A`,
    `${cookieName.toLowerCase()}=${value}`, `${cookieName}="${value}"`, `${header}; ${header}`, `${header}; ${cookieName}=x`, `=${header}`]) {
    t.equal(await reader.find(stranger), undefined, String(stranger))
  }
  t.same(calls, [])
})

t.test('C4.7 100 unknown ids that we signed cost one read each and leave nothing behind', async t => {
  const { reader, ids, calls } = sessionWorld(t)
  for (let i = 0; i < 100; i++) {
    const header = `${cookieName}=${ids.sign(ids.generate())}`
    t.equal(await reader.find(header), undefined)
  }
  t.equal(calls.length, 100)
})

t.test('a record that is no session is nobody', async t => {
  const { reader, store, signIn } = sessionWorld(t)
  for (const record of ['', '{}', '{"user":{}}', 'not JSON', '{"user":{"account":{"tid":"x"}}}']) {
    const { header, key } = await signIn()
    await store.set(key, record, limits.idleMs)
    t.equal(await reader.find(header), undefined, record)
  }
})

t.test('a store that does not answer is a failure, never nobody', async t => {
  let broken = true
  const { reader, signIn } = sessionWorld(t, {
    get: async () => {
      if (broken) throw new errors.SG_STORE_UNAVAILABLE()
      return undefined
    }
  })
  const { header } = await signIn()
  await t.rejects(Promise.resolve(reader.find(header)), { code: 'SG_STORE_UNAVAILABLE' })
  await t.rejects(Promise.resolve(reader.find(header)), { code: 'SG_STORE_UNAVAILABLE' }, 'the failure is not remembered as an answer')
  broken = false
  t.equal(await reader.find(header), undefined)
})

t.test('a failing store does not take away copies that are fresh', async t => {
  let broken = false
  const world = sessionWorld(t)
  const { header } = await world.signIn()
  const get = world.store.get
  world.store.get = async key => {
    if (broken) throw new errors.SG_STORE_UNAVAILABLE()
    return await get(key)
  }
  await world.reader.find(header)
  broken = true
  t.ok(now(world.reader.find(header)))
  world.clock.advance(31)
  await t.rejects(Promise.resolve(world.reader.find(header)), { code: 'SG_STORE_UNAVAILABLE' }, 'an old copy is not served instead')
})

t.test('a forgotten session is read again', async t => {
  const { reader, store, calls, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  await reader.find(header)
  reader.forget(key)
  t.ok(await reader.find(header))
  t.equal(calls.length, 2)
  await store.delete(key)
  reader.forget(key)
  t.equal(await reader.find(header), undefined)
})

t.test('a sign-out during a read under way is seen by that read', async t => {
  let answer: ((record: string | undefined) => void) | undefined
  const world = sessionWorld(t)
  const { header, key, session } = await world.signIn()
  const { get } = world.store
  world.store.get = async () => await new Promise(resolve => { answer = resolve })
  const reading = Promise.resolve(world.reader.find(header))
  // The store has answered with the session; before that arrives, the user signs out.
  await world.store.delete(key)
  world.reader.forget(key)
  world.store.get = get
  answer?.(JSON.stringify({ user: session }))
  t.equal(await reading, undefined, 'the reading began before the sign-out and ends after it')
  t.equal(await world.reader.find(header), undefined, 'and left no copy')
})

t.test('forgetting somebody else during a read does not lose the session', async t => {
  const { reader, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  const reading = Promise.resolve(reader.find(header))
  reader.forget('s:somebody-else')
  t.equal((await reading)?.key, key)
})

t.test('a touch is written at most once a minute and moves only the idle end', async t => {
  const { reader, records, calls, clock, signIn } = sessionWorld(t)
  const { header, key, session } = await signIn()
  const live = (await reader.find(header))!
  reader.touch(live)
  clock.advance(59)
  reader.touch(live)
  t.same(calls, [`get ${key}`])
  clock.advance(2)
  for (let i = 0; i < 10; i++) reader.touch(live)
  t.same(calls, [`get ${key}`, `update ${key}`])
  const stored = (await records.read(key))!
  t.ok(stored.idleEndsAt >= session.idleEndsAt + 61_000)
  t.same({ ...stored, idleEndsAt: 0 }, { ...session, idleEndsAt: 0 }, 'nothing else has changed')
  t.equal(live.session.idleEndsAt, stored.idleEndsAt, 'the copy has moved with it')
})

t.test('a touch keeps the record for the whole new idle time', async t => {
  const { reader, clock, signIn } = sessionWorld(t)
  const { header } = await signIn()
  clock.advance(limits.idleMs / 1000 - 60)
  reader.touch((await reader.find(header))!)
  clock.advance(limits.idleMs / 1000 - 60)
  t.ok(await reader.find(header))
})

t.test('a touch never brings a deleted session back, and drops the copy', async t => {
  const { reader, store, clock, signIn } = sessionWorld(t)
  const { header, key } = await signIn()
  await reader.find(header)
  await store.delete(key)
  clock.advance(29)
  const live = now(reader.find(header))!
  clock.advance(40)
  reader.touch(live)
  t.equal(await store.get(key), undefined)
  t.equal(await reader.find(header), undefined)
})

t.test('a touch that fails is reported and costs nobody a session', async t => {
  const failure = new errors.SG_STORE_UNAVAILABLE()
  const world = sessionWorld(t, { update: async () => { throw failure } })
  const { header } = await world.signIn()
  const live = (await world.reader.find(header))!
  world.clock.advance(61)
  world.reader.touch(live)
  await new Promise(resolve => setImmediate(resolve))
  t.same(world.touchFailures, [failure])
  t.ok(await world.reader.find(header))
})

t.test('the bytes of copies are bounded, the oldest gives way', async t => {
  const world = sessionWorld(t)
  const { ids, records, clock, calls, signIn } = world
  const reader = createSessionReader({
    records, ids, cookieName, limits, now: clock.now, onTouchFailed: () => {}, onClaimsDue: () => {}, maxCopyBytes: 100_000
  })
  const headers = await Promise.all(Array.from({ length: 200 }, async () => (await signIn()).header))
  for (const header of headers) await reader.find(header)
  t.equal(calls.length, 200)
  const kept = headers.map(header => !(reader.find(header) instanceof Promise))
  const first = kept.indexOf(true)
  t.ok(first > 100 && first < 190, `the first ${first} gave way`)
  t.ok(kept.slice(first).every(Boolean), 'and nobody else')
})

t.test('a session that is longer than all copies may be is still served', async t => {
  const { ids, records, clock, signIn } = sessionWorld(t)
  const reader = createSessionReader({
    records, ids, cookieName, limits, now: clock.now, onTouchFailed: () => {}, onClaimsDue: () => {}, maxCopyBytes: 1
  })
  const { header, key } = await signIn()
  t.match(await reader.find(header), { key })
})
