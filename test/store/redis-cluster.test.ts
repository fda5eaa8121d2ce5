/** This file holds the Redis store to the contract of all stores on a Cluster, and to surviving the loss of a master there. */
import t from 'tap'
import { createRedisStore, type RedisStore } from '../../src/store/redis/store.ts'
import { passTime, type RedisServer, startCluster, until } from '../support/redis.ts'
import { storeContract } from './contract.ts'

const log = { info () {}, warn () {}, error () {} }
const hour = 3_600_000
const nodes = await startCluster(t)
const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))

async function mastersOf (all: readonly RedisServer[]): Promise<RedisServer[]> {
  const roles = await Promise.all(all.map(async node => await node.cli('role')))
  return all.filter((_, i) => roles[i]!.startsWith('master'))
}

const masters = await mastersOf(nodes)

await storeContract(t, async t => {
  for (const master of masters) await master.cli('flushall')
  const replica = async (): Promise<RedisStore> => {
    const store = createRedisStore({ keyPrefix: 'gw', log, cluster, commandMs: 20_000 })
    t.teardown(store.close)
    await store.ready()
    return store
  }
  return { store: await replica(), replica, advance: async ms => { await passTime(masters, ms) } }
}, { messages: 'all replicas' })

t.test('an account\'s record and its lock are in one slot', async t => {
  const slots = await Promise.all(['gw:tc:{h}', 'gw:tc:{h}:lock'].map(async key => await nodes[0]!.cli('cluster', 'keyslot', key)))
  t.equal(slots[0], slots[1])
})

t.test('keys spread over all masters; when one is lost the others go on, and its keys come back with its replica', async t => {
  const store = createRedisStore({ keyPrefix: 'gw', log, cluster: cluster.slice(0, 3) })
  t.teardown(store.close)
  await store.ready()
  const heard: string[] = []
  let gaps = 0
  store.subscribe('t', message => { heard.push(message) }, () => { gaps++ })
  await until('a subscription', () => gaps > 0)
  const keys = Array.from({ length: 60 }, (_, i) => `s:${i}`)
  for (const key of keys) await store.set(key, key, hour)
  for (const master of masters) t.ok(Number(await master.cli('dbsize')) > 0)
  const lost = masters[0]!
  await until('replicas that have it all', async () => Number(await lost.cli('wait', '1', '1000')) >= 1)
  await lost.kill()

  const results = await Promise.allSettled(keys.map(async key => await store.get(key)))
  const found = results.filter(result => result.status === 'fulfilled')
  t.ok(found.length > 0 && found.length < keys.length, 'the keys of the other masters are there')
  t.ok(found.every(({ value }) => value !== undefined), 'no key that cannot be read reads as none')
  for (const result of results) if (result.status === 'rejected') t.equal(result.reason.code, 'SG_STORE_UNAVAILABLE')

  await until('a connection to the new master', () => store.isReady())
  for (const key of keys) t.equal(await store.get(key), key)
  await store.publish('t', 'after')
  await until('a message', () => heard.includes('after'))
})
