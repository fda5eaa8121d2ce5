/**
 * This file takes Redis away in the ways servers go: down, killed, stopped, full, closed to us, demoted (security.md, C11).
 * Nothing may wait for longer than its deadline, and no failure may look like "none" or "done".
 */
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { commandMs } from '../../src/store/deadline.ts'
import { createRedisStore, type RedisStore, type RedisStoreOptions } from '../../src/store/redis/store.ts'
import { longTurnsDuring } from '../support/loop.ts'
import { type RedisServer, startRedis, until } from '../support/redis.ts'

const hour = 3_600_000
/** What takes less has waited for no deadline; machines that do something else take some of it. */
const atOnceMs = commandMs - 100
/** What takes less has waited for one deadline, and not for two. */
const inTimeMs = 2 * commandMs
const operations: Readonly<Record<string, (store: RedisStore) => Promise<unknown>>> = {
  get: async store => await store.get('a'),
  set: async store => { await store.set('a', 'x', hour) },
  update: async store => await store.update('a', 'x', hour),
  delete: async store => await store.delete('a'),
  claim: async store => await store.claim('c', hour),
  read: async store => await store.read('v'),
  replace: async store => { await store.replace('v', 'x', hour) },
  compareAndSet: async store => await store.compareAndSet('v', 1, 'x', hour),
  lock: async store => await store.lock('l', hour, 5000),
  addMember: async store => { await store.addMember('m', 'x', hour) },
  removeMember: async store => await store.removeMember('m', 'x'),
  members: async store => await store.members('m'),
  publish: async store => { await store.publish('t', 'x') }
}

interface World {
  readonly store: RedisStore
  readonly lines: unknown[][]
}

function openStore (t: Test, options: Omit<RedisStoreOptions, 'keyPrefix' | 'log'>): World {
  const lines: unknown[][] = []
  const keep = (...line: unknown[]): void => { lines.push(line) }
  const store = createRedisStore({ keyPrefix: 'gw', log: { info: keep, warn: keep, error: keep }, ...options })
  t.teardown(store.close)
  return { store, lines }
}

const urlOf = ({ port }: RedisServer): string => `redis://127.0.0.1:${port}`

/** The operation must fail as a store that does not answer, in time. */
async function expectFailure (t: Test, name: string, store: RedisStore, withinMs: number): Promise<void> {
  const startedAt = performance.now()
  try {
    t.fail(`${name} gave ${inspect(await operations[name]!(store))}`)
  } catch (error) {
    const ms = performance.now() - startedAt
    t.match(error, { code: 'SG_STORE_UNAVAILABLE', statusCode: 503 }, name)
    t.ok((error as Error).cause instanceof Error, `${name} has a cause`)
    t.ok(ms < withinMs, `${name} took ${Math.round(ms)} ms`)
  }
}

t.test('down at the start: nothing waits, nothing is ready, and it heals itself', async t => {
  const server = await startRedis(t)
  await server.kill()
  const { store, lines } = openStore(t, { url: urlOf(server) })
  const heard: string[] = []
  store.subscribe('t', message => { heard.push(message) }, () => { heard.push('gap') })
  for (const name of Object.keys(operations)) await expectFailure(t, name, store, atOnceMs)
  t.notOk(store.isReady())
  await until('the lines', () => lines.length >= 2)
  await delay(1000)
  t.equal(lines.length, 2, 'one line for records and one for messages')
  await server.restart()
  await store.ready()
  await store.set('a', 'one', hour)
  t.equal(await store.get('a'), 'one', 'the first operations work')
  await until('a subscription', () => heard.length > 0)
  await store.publish('t', 'hello')
  await until('a message', () => heard.includes('hello'))
})

t.test('killed: every operation fails at once, and what comes after is reported as a gap', async t => {
  const server = await startRedis(t)
  const { store } = openStore(t, { url: urlOf(server) })
  await store.ready()
  let gaps = 0
  store.subscribe('t', () => {}, () => { gaps++ })
  await until('a subscription', () => gaps === 1)
  await server.kill()
  for (const name of Object.keys(operations)) await expectFailure(t, name, store, inTimeMs)
  t.notOk(store.isReady())
  await server.restart()
  await until('a connection', () => store.isReady())
  t.equal(await store.get('a'), undefined, 'the first operation works')
  await until('a gap', () => gaps === 2)
})

t.test('stopped: five deadlines, then everything fails at once; when it goes on, so do we', async t => {
  const server = await startRedis(t)
  const { store } = openStore(t, { url: urlOf(server) })
  await store.ready()
  await store.set('a', 'one', hour)
  server.stop()
  const longTurns = await longTurnsDuring(async () => {
    const startedAt = performance.now()
    const many = await Promise.allSettled(Array.from({ length: 1000 }, async () => await store.get('a')))
    t.ok(performance.now() - startedAt < inTimeMs, 'a thousand at once wait no longer than one')
    t.same([...new Set(many.map(one => one.status === 'rejected' ? one.reason.code : one.value))], ['SG_STORE_UNAVAILABLE'])
    for (const name of Object.keys(operations)) await expectFailure(t, name, store, atOnceMs)
    t.notOk(store.isReady())
    await delay(2000)
  })
  t.ok(longTurns <= 5, `the loop was held up ${longTurns} times`)
  server.resume()
  await until('a connection', () => store.isReady(), 8000)
  t.equal(await store.get('a'), 'one', 'the first operation works, before the pause of the breaker is over')
})

t.test('stopped: one after the other, each operation ends at its deadline', async t => {
  const server = await startRedis(t)
  const { store } = openStore(t, { url: urlOf(server) })
  await store.ready()
  server.stop()
  for (const name of ['get', 'set', 'claim', 'compareAndSet', 'lock']) await expectFailure(t, name, store, inTimeMs)
  for (const name of ['get', 'set', 'claim', 'compareAndSet', 'lock']) await expectFailure(t, name, store, atOnceMs)
})

t.test('out of memory: no write says that it was done, and everything can still be read and ended', async t => {
  const server = await startRedis(t, { config: ['maxmemory-policy noeviction'] })
  const { store } = openStore(t, { url: urlOf(server) })
  await store.ready()
  await store.set('kept', 'one', hour)
  await store.addMember('m', 'x', hour)
  await store.set('a', 'one', hour)
  await store.replace('v', 'one', hour)
  const version = (await store.read('v'))!.version
  await server.cli('config', 'set', 'maxmemory', '1')
  for (let i = 0; i < 3; i++) {
    for (const name of ['set', 'update', 'claim', 'replace', 'lock', 'addMember']) await expectFailure(t, name, store, atOnceMs)
    await t.rejects(store.compareAndSet('v', version, 'two', hour), { code: 'SG_STORE_UNAVAILABLE' })
    t.equal(await store.get('kept'), 'one')
  }
  t.ok(store.isReady())
  t.equal(await store.removeMember('m', 'x'), 0)
  t.equal(await store.delete('kept'), true, 'a sign-out works')
  t.same(await store.read('v'), { version, value: 'one' })
  await server.cli('config', 'set', 'maxmemory', '0')
  await store.set('b', 'two', hour)
  t.equal(await store.get('b'), 'two')
})

t.test('a password that is wrong or missing: not ready, one line, and no password in it', async t => {
  const server = await startRedis(t, { password: 'right-pass-canary' })
  for (const url of [`redis://:wrong-pass-canary@127.0.0.1:${server.port}`, `redis://user:wrong-pass-canary@127.0.0.1:${server.port}`, urlOf(server)]) {
    const { store, lines } = openStore(t, { url })
    await until('a line', () => lines.length > 0)
    await delay(1200)
    t.notOk(store.isReady())
    t.equal(lines.length, 1)
    t.match(lines[0], [{ event: 'store.down', reply: url.includes('canary') ? 'WRONGPASS' : 'NOAUTH' }])
    const error = await store.get('a').catch((error: unknown) => error)
    t.notMatch(inspect([lines, error], { depth: 20, showHidden: true }), 'pass-canary')
    for (const name of Object.keys(operations)) await expectFailure(t, name, store, atOnceMs)
  }
})

t.test('a user without rights: what is refused fails, what is allowed works', async t => {
  const server = await startRedis(t)
  await server.cli('acl', 'setuser', 'reader', 'on', '>secret', '~gw:*', '+get', '+mget', '+ping', '+hello', '+auth')
  const { store } = openStore(t, { url: urlOf(server), username: 'reader', password: 'secret' })
  await store.ready()
  t.equal(await store.get('a'), undefined)
  for (const name of ['set', 'update', 'delete', 'claim', 'replace', 'compareAndSet', 'lock', 'members', 'publish']) {
    await expectFailure(t, name, store, atOnceMs)
  }
  t.equal(await store.get('a'), undefined)
})

t.test('demoted to a replica: no write is lost in silence, and the store waits for a master', async t => {
  const [server, other] = [await startRedis(t), await startRedis(t)]
  const { store } = openStore(t, { url: urlOf(server) })
  await store.ready()
  await server.cli('replicaof', '127.0.0.1', String(other.port))
  await expectFailure(t, 'set', store, inTimeMs)
  await until('the role to be seen', () => !store.isReady())
  await delay(300)
  t.notOk(store.isReady(), 'connecting again to a replica is not enough')
  await server.cli('replicaof', 'no', 'one')
  await until('a master', () => store.isReady())
  await store.set('a', 'one', hour)
  t.equal(await store.get('a'), 'one')
})

t.test('demoted: the role is seen even when nothing is written', async t => {
  const [server, other] = [await startRedis(t), await startRedis(t)]
  const { store } = openStore(t, { url: urlOf(server) })
  await store.ready()
  await server.cli('replicaof', '127.0.0.1', String(other.port))
  await until('the role to be seen', () => !store.isReady())
})

t.test('a store is closed whatever state it is in, and is of no use then', async t => {
  const server = await startRedis(t)
  const { store } = openStore(t, { url: urlOf(server) })
  const { store: early } = openStore(t, { url: urlOf(server) })
  await early.close()
  await store.ready()
  store.subscribe('t', () => {}, () => {})
  server.stop()
  const { store: late } = openStore(t, { url: urlOf(server) })
  await delay(100)
  await Promise.all([store.close(), late.close()])
  for (const closed of [store, early, late]) await t.rejects(closed.get('a'), { code: 'SG_STORE_UNAVAILABLE' })
})
