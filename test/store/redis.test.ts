/** This file holds the Redis store to the contract of all stores on one server, and to what it promises beyond it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createRedisStore, type RedisStore, type RedisStoreOptions } from '../../src/store/redis/store.ts'
import { createAuthority, keepPem } from '../support/certificates.ts'
import { passTime, startRedis, until } from '../support/redis.ts'
import { storeContract } from './contract.ts'

const log = { info () {}, warn () {}, error () {} }
const hour = 3_600_000
/** What a store does is tested here, not how soon on a busy machine. */
const commandMs = 20_000

function openStore (t: Test, options: Omit<RedisStoreOptions, 'keyPrefix' | 'log'>): RedisStore {
  const store = createRedisStore({ keyPrefix: 'gw', log, commandMs, ...options })
  t.teardown(store.close)
  return store
}

const shared = await startRedis(t)

await storeContract(t, async t => {
  await shared.cli('flushall')
  const replica = async (): Promise<RedisStore> => {
    const store = openStore(t, { url: `redis://127.0.0.1:${shared.port}` })
    await store.ready()
    return store
  }
  return { store: await replica(), replica, advance: async ms => { await passTime([shared], ms) } }
}, { messages: 'all replicas' })

/** All at once: to ask for one after the other takes time, of which they have little. */
const lifetimesScript = `
local lines = {}
for i, key in ipairs(redis.call('KEYS', '*')) do lines[i] = key .. ' ' .. redis.call('PTTL', key) end
return lines`

t.test('records end by the server\'s own clock, and every one has an end', async t => {
  await shared.cli('flushall')
  const store = openStore(t, { url: `redis://127.0.0.1:${shared.port}` })
  await store.ready()
  await store.set('s', 'x', 1500)
  await store.replace('v', 'x', 1500.5)
  await store.claim('c', 1500)
  await store.addMember('m', 'x', 1500)
  await store.lock('l', 1500, 0)
  const ends = (await shared.cli('eval', lifetimesScript, '0')).split('\n').map(line => line.split(' '))
  t.same(ends.map(([key]) => key).sort(), ['gw:c', 'gw:l', 'gw:m', 'gw:s', 'gw:v'])
  for (const [key, ms] of ends) t.ok(Number(ms) > 0 && Number(ms) <= 1501, `${key} ends in ${ms} ms`)
  await until('the end of all', async () => await shared.cli('dbsize') === '0')
  t.equal(await store.get('s'), undefined)
  t.equal(await store.read('v'), undefined)
})

t.test('a reader whose clock is ahead does not end what another wrote', async t => {
  const store = openStore(t, { url: `redis://127.0.0.1:${shared.port}` })
  await store.ready()
  await store.set('s', '{"a":1}', hour)
  t.equal(await shared.cli('get', 'gw:s'), '{"a":1}', 'there is no end by the writer\'s clock in it')
})

t.test('deployments with another prefix do not meet', async t => {
  const url = `redis://127.0.0.1:${shared.port}`
  const [one, two] = [openStore(t, { url }), createRedisStore({ keyPrefix: 'other', log, url })]
  t.teardown(two.close)
  await Promise.all([one.ready(), two.ready()])
  await one.set('a', 'of one', hour)
  t.equal(await two.get('a'), undefined)
  const heard: string[] = []
  let gaps = 0
  two.subscribe('topic', message => { heard.push(message) }, () => { gaps++ })
  await until('a subscription', () => gaps > 0)
  await one.publish('topic', 'of one')
  await two.publish('topic', 'of two')
  await until('a message', () => heard.length > 0)
  t.same(heard, ['of two'])
})

t.test('versions of 1000 writes are safe integers, and all different', async t => {
  const store = openStore(t, { url: `redis://127.0.0.1:${shared.port}/1` })
  await store.ready()
  const versions = new Set<number>()
  for (let i = 0; i < 1000; i++) {
    await store.replace('a', 'x', hour)
    versions.add((await store.read('a'))!.version)
  }
  t.equal(versions.size, 1000)
  t.ok([...versions].every(version => Number.isSafeInteger(version) && version > 0))
  t.equal(await shared.cli('-n', '1', 'dbsize'), '1', 'the number in the URL is the database')
})

t.test('messages reach every replica once and in order, each topic its own', async t => {
  const url = `redis://127.0.0.1:${shared.port}`
  const [a, b] = [openStore(t, { url }), openStore(t, { url })]
  await Promise.all([a.ready(), b.ready()])
  const heard: Record<string, string[]> = { a: [], b: [], other: [] }
  let gaps = 0
  const gap = (): void => { gaps++ }
  a.subscribe('t', message => { heard.a!.push(message) }, gap)
  const end = b.subscribe('t', message => { heard.b!.push(message) }, gap)
  b.subscribe('t', () => { throw new Error('a listener that fails') }, gap)
  b.subscribe('other', message => { heard.other!.push(message) }, gap)
  await until('all subscriptions', () => gaps === 4)
  const sent = Array.from({ length: 100 }, (_, i) => `message ${i} ä\0`)
  for (const message of sent) await a.publish('t', message)
  await until('all messages', () => heard.a!.length === 100 && heard.b!.length === 100)
  t.same(heard, { a: sent, b: sent, other: [] })
  end()
  await a.publish('t', 'late')
  await until('one more message', () => heard.a!.length === 101)
  await delay(50)
  t.equal(heard.b!.length, 100, 'a subscription that was ended hears no more')
})

t.test('with a password and TLS; the file is read again when the password has changed', async t => {
  const authority = createAuthority()
  const server = await startRedis(t, { password: 'first-secret', authority })
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-pass-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'first-secret\n')
  const tls = { caFile: keepPem(t, authority.pem) }
  const store = openStore(t, { url: `rediss://127.0.0.1:${server.port}`, passwordFile, tls })
  await store.ready()
  await store.set('a', 'one', hour)
  t.equal(await store.get('a'), 'one')

  await server.cli('config', 'set', 'requirepass', 'second-secret')
  writeFileSync(passwordFile, 'second-secret\n')
  await server.cli('-a', 'second-secret', 'client', 'kill', 'type', 'normal')
  await until('a connection with the new password', () => store.isReady())
  t.equal(await store.get('a'), 'one')

  const stranger = openStore(t, { url: `rediss://:second-secret@127.0.0.1:${server.port}` })
  const plain = openStore(t, { url: `redis://:second-secret@127.0.0.1:${server.port}` })
  await delay(300)
  t.notOk(stranger.isReady(), 'a server whose certificate nobody vouches for is not talked to')
  t.notOk(plain.isReady(), 'nor is TLS left out')
})

t.test('options that name no place or several are refused without quoting them', async t => {
  const base = { keyPrefix: 'gw', log }
  const wrong: ReadonlyArray<Partial<RedisStoreOptions>> = [
    {}, { url: 'http://:hunter2@h' }, { url: 'hunter2' }, { url: 'redis://:hunter2@h/x' }, { sentinels: [{ host: 'h', port: 1 }] },
    { url: 'redis://h', cluster: [{ host: 'h', port: 1 }] }, { url: 'redis://h', keyPrefix: 'a{b}' }, { url: 'redis://h', keyPrefix: '' }
  ]
  for (const options of wrong) {
    try {
      createRedisStore({ ...base, ...options })
      t.fail('it was accepted')
    } catch (error) {
      t.type(error, TypeError)
      t.notMatch(String(error), 'hunter2')
    }
  }
})
