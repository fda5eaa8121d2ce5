/**
 * This file is what every store must keep, as one suite over a store and a clock that the test moves. A store that does
 * not pass here loses sign-outs or overwrites tokens, however well it works otherwise.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Store } from '../../src/store/store.ts'

/** A store under test, empty, and the passing of its time. */
export interface StoreWorld {
  readonly store: Store
  /** Another replica's store over the same place, open until the test ends. A store in memory has none: then a stranger. */
  replica (): Promise<Store> | Store
  /** Lets that many milliseconds pass for the store's records. */
  advance (ms: number): Promise<void> | void
}

export type StartStore = (t: Test) => Promise<StoreWorld> | StoreWorld

/** Lifetimes and what passes of them differ by a second at least: a slow machine takes its time, too. */
const hour = 3_600_000

async function versionOf (store: Store, key: string): Promise<number> {
  const found = await store.read(key)
  if (found === undefined) throw new Error(`no record ${key}`)
  return found.version
}

/** What stores differ in, and have to say here. */
export interface StorePromises {
  /** Who hears what is published. Replicas that do not hear of a sign-out learn of it when their L1 ends, within 30 s. */
  readonly messages: 'all replicas' | 'this process'
}

/** @param start - called for each test: records of one test must not be seen by another */
export async function storeContract (t: Test, start: StartStore, promises: StorePromises): Promise<void> {
  await t.test('a record is what was last written, until its lifetime is over', async t => {
    const { store, advance } = await start(t)
    t.equal(await store.get('a'), undefined)
    await store.set('a', 'one', 10_000)
    t.equal(await store.get('a'), 'one')
    await store.set('a', 'two', 50_000)
    t.equal(await store.get('a'), 'two')
    await advance(49_000)
    t.equal(await store.get('a'), 'two', 'the second lifetime counts')
    await advance(2_000)
    t.equal(await store.get('a'), undefined)
    t.equal(await store.delete('a'), false, 'what has expired is not there to delete')
  })

  await t.test('values come back byte for byte', async t => {
    const { store } = await start(t)
    const values = ['', '0', 'null', '{"a":1}', 'line\r\nbreak\0nul', 'ä€𝄞', '-1', 'x'.repeat(200_000)]
    for (const value of values) {
      await store.set('v', value, hour)
      t.ok(await store.get('v') === value, JSON.stringify(value.slice(0, 20)))
    }
  })

  await t.test('keys do not touch each other, whatever they are called', async t => {
    const { store } = await start(t)
    const keys = ['__proto__', 'constructor', 's:a', 's:a ', 'S:a', 's', ':', '*', 's:{a}']
    for (const key of keys) await store.set(key, `value of ${key}`, hour)
    for (const key of keys) t.equal(await store.get(key), `value of ${key}`)
    await store.delete('*')
    t.equal(await store.get('s:a'), 'value of s:a', 'a star is not a pattern')
  })

  await t.test('delete says whether there was a record', async t => {
    const { store } = await start(t)
    await store.set('a', 'one', hour)
    t.equal(await store.delete('a'), true)
    t.equal(await store.delete('a'), false)
    t.equal(await store.get('a'), undefined)
  })

  await t.test('update writes over a record and never makes one', async t => {
    const { store, advance } = await start(t)
    t.equal(await store.update('a', 'ghost', hour), false)
    t.equal(await store.get('a'), undefined)
    await store.set('a', 'one', 10_000)
    t.equal(await store.update('a', 'two', 50_000), true)
    t.equal(await store.get('a'), 'two')
    await advance(30_000)
    t.equal(await store.get('a'), 'two', 'the lifetime is the new one')
    await store.delete('a')
    t.equal(await store.update('a', 'ghost', hour), false, 'a deleted record stays deleted')
    t.equal(await store.get('a'), undefined)
    await store.set('b', 'one', 10_000)
    await advance(11_000)
    t.equal(await store.update('b', 'ghost', hour), false, 'an expired record stays expired')
    t.equal(await store.get('b'), undefined)
  })

  await t.test('updates that race with a delete leave no record behind', async t => {
    const { store } = await start(t)
    for (let round = 0; round < 10; round++) {
      await store.set('a', 'one', hour)
      await Promise.all([store.update('a', 'two', hour), store.delete('a'), store.update('a', 'three', hour)])
      t.equal(await store.get('a'), undefined)
    }
  })

  await t.test('a name is claimed once within its lifetime', async t => {
    const { store, advance } = await start(t)
    t.equal(await store.claim('state', 10_000), true)
    t.equal(await store.claim('state', 10_000), false)
    await advance(9_000)
    t.equal(await store.claim('state', hour), false, 'a late try does not lengthen the claim')
    await advance(2_000)
    t.equal(await store.claim('state', 10_000), true, 'the name is free again')
    t.equal(await store.claim('other', 10_000), true)
  })

  await t.test('of 50 claims at once one wins', async t => {
    const { store } = await start(t)
    const claims = await Promise.all(Array.from({ length: 50 }, async () => await store.claim('state', hour)))
    t.equal(claims.filter(won => won).length, 1)
  })

  await t.test('the version of a record changes with every write', async t => {
    const { store } = await start(t)
    t.equal(await store.read('a'), undefined)
    await store.replace('a', 'one', hour)
    const first = await store.read('a')
    t.equal(first?.value, 'one')
    await store.replace('a', 'two', hour)
    const second = await store.read('a')
    t.equal(second?.value, 'two')
    t.not(second?.version, first?.version)
    t.equal(await store.compareAndSet('a', second!.version, 'three', hour), true)
    const third = await store.read('a')
    t.equal(third?.value, 'three')
    t.equal(new Set([first, second, third].map(record => record?.version)).size, 3)
    t.equal(await versionOf(store, 'a'), third?.version, 'reading changes nothing')
  })

  await t.test('compare-and-set writes only over the version that was seen', async t => {
    const { store } = await start(t)
    await store.replace('a', 'one', hour)
    const old = await versionOf(store, 'a')
    await store.replace('a', 'two', hour)
    t.equal(await store.compareAndSet('a', old, 'late', hour), false)
    t.equal((await store.read('a'))?.value, 'two')
    t.equal(await store.compareAndSet('none', old, 'ghost', hour), false)
    t.equal(await store.compareAndSet('none', 0, 'ghost', hour), false, 'no version stands for "not there"')
    t.equal(await store.read('none'), undefined)
  })

  await t.test('compare-and-set gives the record the new lifetime', async t => {
    const { store, advance } = await start(t)
    await store.replace('a', 'one', 10_000)
    t.equal(await store.compareAndSet('a', await versionOf(store, 'a'), 'two', 50_000), true)
    await advance(30_000)
    t.equal((await store.read('a'))?.value, 'two')
    await advance(21_000)
    t.equal(await store.read('a'), undefined)
  })

  await t.test('of many writers exactly one wins each version', async t => {
    const { store } = await start(t)
    await store.replace('a', 'start', hour)
    for (let round = 0; round < 5; round++) {
      const seen = await versionOf(store, 'a')
      const writers = Array.from({ length: 20 }, async (_, i) => await store.compareAndSet('a', seen, `round ${round} writer ${i}`, hour))
      const winners = (await Promise.all(writers)).flatMap((won, i) => won ? [i] : [])
      t.equal(winners.length, 1)
      t.equal((await store.read('a'))?.value, `round ${round} writer ${winners[0]}`)
    }
  })

  await t.test('a record that is gone does not come back by compare-and-set', async t => {
    const { store, advance } = await start(t)
    await store.replace('a', 'one', hour)
    const seen = await versionOf(store, 'a')
    await store.delete('a')
    t.equal(await store.compareAndSet('a', seen, 'ghost', hour), false)
    t.equal(await store.read('a'), undefined)
    await store.replace('b', 'one', 10_000)
    const old = await versionOf(store, 'b')
    await advance(11_000)
    t.equal(await store.compareAndSet('b', old, 'ghost', hour), false, 'nor one that has expired')
    t.equal(await store.read('b'), undefined)
  })

  await t.test('a version seen before a record was deleted does not fit the record that came after it', async t => {
    const { store, advance } = await start(t)
    await store.replace('a', 'first life', hour)
    const seen = await versionOf(store, 'a')
    await store.delete('a')
    await store.replace('a', 'second life', hour)
    t.equal(await store.compareAndSet('a', seen, 'late writer of the first life', hour), false)
    t.equal((await store.read('a'))?.value, 'second life')
    await store.replace('b', 'first life', 10_000)
    const old = await versionOf(store, 'b')
    await advance(11_000)
    await store.replace('b', 'second life', hour)
    t.equal(await store.compareAndSet('b', old, 'late writer of the first life', hour), false)
    t.equal((await store.read('b'))?.value, 'second life')
  })

  await t.test('a lock has one holder at a time', async t => {
    const { store } = await start(t)
    const lease = await store.lock('l', hour, 0)
    t.ok(lease)
    t.equal(await store.lock('l', hour, 0), undefined, 'who does not wait gets nothing')
    t.equal(await store.lock('l', hour, 60), undefined, 'who waits too short gets nothing')
    t.ok(await store.lock('other', hour, 0), 'another lock is free')
    await lease?.release()
    t.ok(await store.lock('l', hour, 0), 'a released lock is free')
  })

  await t.test('who waits for a lock gets it when it is released', async t => {
    const { store } = await start(t)
    const lease = await store.lock('l', hour, 0)
    let isReleased = false
    const waiting = store.lock('l', hour, 5000).then(late => ({ late, isReleased }))
    await delay(50)
    isReleased = true
    await lease?.release()
    const { late, isReleased: wasReleased } = await waiting
    t.ok(late)
    t.ok(wasReleased, 'not before')
  })

  await t.test('20 who lock at once are inside one after the other', async t => {
    const { store } = await start(t)
    let inside = 0
    let most = 0
    const turns = await Promise.all(Array.from({ length: 20 }, async () => {
      const lease = await store.lock('l', hour, 20_000)
      most = Math.max(most, ++inside)
      await delay(2)
      inside--
      await lease?.release()
      return lease !== undefined
    }))
    t.same([...new Set(turns)], [true])
    t.equal(most, 1)
  })

  await t.test('a lock whose holder stopped is handed over at the end of the lease', async t => {
    const { store, advance } = await start(t)
    await store.lock('l', 10_000, 0)
    const waiting = store.lock('l', hour, 10_000)
    t.equal(await Promise.race([waiting.then(() => 'got it'), delay(60, 'still waiting')]), 'still waiting')
    await advance(11_000)
    t.ok(await waiting)
  })

  await t.test('a late holder does not free the lock of the next one', async t => {
    const { store, advance } = await start(t)
    const late = await store.lock('l', 10_000, 0)
    await advance(11_000)
    const next = await store.lock('l', hour, 0)
    t.ok(next)
    await late?.release()
    t.equal(await store.lock('l', hour, 0), undefined, 'the next holder still has it')
    await next?.release()
    await next?.release()
    t.ok(await store.lock('l', hour, 0))
  })

  await t.test('an index set has each member once', async t => {
    const { store } = await start(t)
    t.same(await store.members('u'), [])
    await store.addMember('u', 'a', hour)
    await store.addMember('u', 'b', hour)
    await store.addMember('u', 'a', hour)
    t.same([...await store.members('u')].sort(), ['a', 'b'])
    t.equal(await store.removeMember('u', 'a'), 1)
    t.equal(await store.removeMember('u', 'a'), 1, 'removing twice is removing once')
    t.equal(await store.removeMember('u', 'b'), 0)
    t.same(await store.members('u'), [])
    t.equal(await store.removeMember('never', 'a'), 0)
    t.same(await store.members('never'), [])
  })

  await t.test('50 members that are added at once are all there', async t => {
    const { store } = await start(t)
    const names = Array.from({ length: 50 }, (_, i) => `session ${i}`)
    await Promise.all(names.map(async name => { await store.addMember('u', name, hour) }))
    t.same([...await store.members('u')].sort(), [...names].sort())
    await Promise.all(names.slice(1).map(async name => await store.removeMember('u', name)))
    t.same(await store.members('u'), ['session 0'])
  })

  await t.test('an index set lives as long as its longest-lived member', async t => {
    const { store, advance } = await start(t)
    await store.addMember('u', 'long', 50_000)
    await store.addMember('u', 'short', 10_000)
    await store.removeMember('u', 'short')
    await advance(30_000)
    t.same(await store.members('u'), ['long'], 'a shorter lifetime does not shorten it')
    await store.addMember('u', 'longer', 50_000)
    await advance(40_000)
    t.same([...await store.members('u')].sort(), ['long', 'longer'])
    await advance(11_000)
    t.same(await store.members('u'), [])
  })

  await t.test('a lifetime that is over before it begins leaves nothing', async t => {
    const { store } = await start(t)
    await store.set('a', 'one', hour)
    await store.set('a', 'two', 0)
    t.equal(await store.get('a'), undefined)
  })

  await t.test('a value may be made of the version that it will have', async t => {
    const { store } = await start(t)
    await store.replace('a', version => `written as ${version}`, hour)
    const first = (await store.read('a'))!
    t.equal(first.value, `written as ${first.version}`)
    t.equal(await store.compareAndSet('a', first.version, version => `changed as ${version}`, hour), true)
    const second = (await store.read('a'))!
    t.equal(second.value, `changed as ${second.version}`)
  })

  await t.test('messages reach everyone who listens to their topic, until they stop', async t => {
    const { store } = await start(t)
    const heard: string[] = []
    const listening = new Set<string>()
    const listen = (name: string, topic: string): () => void =>
      store.subscribe(topic, message => { heard.push(`${name} ${message}`) }, () => { listening.add(name) })
    const stop = listen('a', 'news')
    listen('b', 'news')
    listen('c', 'other')
    await until(() => listening.size === 3)
    await store.publish('news', 'one')
    await until(() => heard.length === 2)
    stop()
    await store.publish('news', 'two')
    await until(() => heard.length === 3)
    t.same(heard.sort(), ['a one', 'b one', 'b two'])
  })

  await t.test(`messages reach ${promises.messages}`, async t => {
    const { store, replica } = await start(t)
    const other = await replica()
    const heard: string[] = []
    let listening = 0
    for (const [name, one] of [['here', store], ['there', other]] as const) {
      one.subscribe('news', message => { heard.push(`${name} ${message}`) }, () => { listening++ })
    }
    await until(() => listening >= 2)
    await store.publish('news', 'one')
    await until(() => heard.includes('here one'))
    await other.publish('news', 'two')
    await until(() => heard.includes('there two'))
    if (promises.messages === 'all replicas') await until(() => heard.length === 4)
    else await delay(200)
    t.same(heard.sort(), promises.messages === 'all replicas' ? ['here one', 'here two', 'there one', 'there two'] : ['here one', 'there two'])
  })

  await t.test('a store that answers is ready', async t => {
    const { store } = await start(t)
    t.equal(store.isReady(), true)
  })
}

/** Polls: messages take their time on some stores. @throws after 5 s */
async function until (isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !isSo(); i++) await delay(10)
  if (!isSo()) throw new Error('it did not come to this within 5 s')
}
