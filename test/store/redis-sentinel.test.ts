/** This file holds the Redis store to the contract of all stores behind Sentinels, and to following the master they name. */
import t from 'tap'
import { createRedisStore, type RedisStore } from '../../src/store/redis/store.ts'
import { passTime, startSentinels, until } from '../support/redis.ts'
import { storeContract } from './contract.ts'

const log = { info () {}, warn () {}, error () {} }
const hour = 3_600_000
const { master, replica, sentinels, masterName } = await startSentinels(t)
const addresses = sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
const options = { keyPrefix: 'gw', log, sentinels: addresses, masterName }

await storeContract(t, async t => {
  await master.cli('flushall')
  const another = async (): Promise<RedisStore> => {
    const store = createRedisStore({ ...options, commandMs: 20_000 })
    t.teardown(store.close)
    await store.ready()
    return store
  }
  return { store: await another(), replica: another, advance: async ms => { await passTime([master], ms) } }
}, { messages: 'all replicas' })

t.test('it is not ready while the Sentinels do not know the master', async t => {
  const store = createRedisStore({ ...options, masterName: 'unheard-of' })
  t.teardown(store.close)
  await t.rejects(store.get('a'), { code: 'SG_STORE_UNAVAILABLE' })
  t.notOk(store.isReady())
})

t.test('when the master is lost, with a Sentinel, it finds the new one; what was deleted stays deleted', async t => {
  const store = createRedisStore(options)
  t.teardown(store.close)
  await store.ready()
  let gaps = 0
  const heard: string[] = []
  store.subscribe('t', message => { heard.push(message) }, () => { gaps++ })
  await until('a subscription', () => gaps === 1)
  await store.set('kept', 'one', hour)
  await store.set('signed-out', 'one', hour)
  await store.delete('signed-out')
  await until('a replica that has it all', async () => Number(await master.cli('wait', '1', '1000')) >= 1)
  await sentinels[0]!.kill()
  await master.kill()
  await t.rejects(store.get('kept'), { code: 'SG_STORE_UNAVAILABLE' }, 'until then nobody is signed out')
  await until('a connection to the new master', () => store.isReady())
  t.equal(await store.get('kept'), 'one')
  t.equal(await store.update('signed-out', 'ghost', hour), false)
  t.match(await replica.cli('role'), /^master/)
  await until('a gap', () => gaps > 1)
  await store.publish('t', 'after')
  await until('a message', () => heard.includes('after'))
})
