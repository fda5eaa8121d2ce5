/**
 * This file holds the SQL stores to the contract of all stores, on PostgreSQL, MariaDB and SQLite, and to what they promise
 * beyond it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { createSqlStore, type SqlStore } from '../../src/store/sql/store.ts'
import { until } from '../support/redis.ts'
import { passTime, type SqlPlace, startMysql, startPostgres, startSqlite } from '../support/sql.ts'
import { storeContract } from './contract.ts'

const log = { info () {}, warn () {}, error () {} }
const hour = 3_600_000
/** What a store does is tested here, not how soon on a busy machine. */
const commandMs = 20_000

async function openStore (t: Test, place: SqlPlace, table = 'scopegate'): Promise<SqlStore> {
  const store = createSqlStore({ dialect: place.dialect(table), table, log, commandMs })
  t.teardown(store.close)
  await store.ready()
  return store
}

const places = await Promise.all([startPostgres(t), startMysql(t), startSqlite(t)])

for (const place of places) {
  const count = async (table = 'scopegate'): Promise<number> => Number(await place.admin(`SELECT COUNT(*) FROM ${table}`))

  await t.test(place.kind, async t => {
    await t.test('replicas that start at once make one table', async t => {
      const stores = await Promise.all(Array.from({ length: 5 }, async () => await openStore(t, place)))
      await stores[0]!.set('a', 'one', hour)
      for (const store of stores) t.equal(await store.get('a'), 'one')
    })

    await storeContract(t, async t => {
      await place.admin('DELETE FROM scopegate')
      const replica = async (): Promise<SqlStore> => await openStore(t, place)
      return { store: await replica(), replica, advance: async ms => { await passTime(place, ms) } }
    }, { messages: 'this process' })

    await t.test('records end by the database\'s own clock, and every one has an end', async t => {
      await place.admin('DELETE FROM scopegate')
      const store = await openStore(t, place)
      await store.set('s', 'x', 400)
      await store.replace('v', 'x', 400.5)
      await store.claim('c', 400)
      await store.addMember('m', 'x', 400)
      await store.lock('l', 400, 0)
      t.equal(await count(), 5)
      const ends = (await place.admin('SELECT ends_at FROM scopegate')).split('\n').map(Number)
      for (const end of ends) t.ok(end > Date.now() - 10_000 && end < Date.now() + 10_000, 'this machine and the database have one clock here')
      await delay(500)
      t.equal(await store.get('s'), undefined)
      t.equal(await store.read('v'), undefined)
      t.same(await store.members('m'), [])
      t.equal(await store.claim('c', hour), true)
    })

    await t.test('rows that nobody asks for are swept out when they have expired, and only those', async t => {
      await place.admin('DELETE FROM scopegate')
      const store = createSqlStore({ dialect: place.dialect(), table: 'scopegate', log, sweepMs: 50, commandMs })
      t.teardown(store.close)
      await store.ready()
      // Not all at once: they would wait for each other for longer than a command may take.
      for (let from = 0; from < 600; from += 20) {
        await Promise.all(Array.from({ length: 20 }, async (_, i) => { await store.set(`k${from + i}`, 'x', hour) }))
      }
      const expiring = place.kind === 'mysql' ? 'id' : 'key'
      await place.admin(`UPDATE scopegate SET ends_at = 1 WHERE ${expiring} <> (SELECT live FROM (SELECT MIN(${expiring}) AS live FROM scopegate) AS one)`)
      await until('a sweep of more than one batch', async () => await count() === 1)
      await delay(200)
      t.equal(await count(), 1, 'the one that lives')
    })

    await t.test('versions are safe integers, and all different', async t => {
      const store = await openStore(t, place)
      const versions = new Set<number>()
      for (let i = 0; i < 200; i++) {
        await store.replace('a', 'x', hour)
        versions.add((await store.read('a'))!.version)
      }
      t.equal(versions.size, 200)
      t.ok([...versions].every(version => Number.isSafeInteger(version) && version > 0))
    })

    await t.test('deployments with another table do not meet', async t => {
      const [one, two] = [await openStore(t, place), await openStore(t, place, 'other_gateway')]
      await one.set('a', 'of one', hour)
      t.equal(await two.get('a'), undefined)
    })

    await t.test('what two replicas do at once to one set, claim and lock is done once', async t => {
      await place.admin('DELETE FROM scopegate')
      const [one, two] = [await openStore(t, place), await openStore(t, place)]
      const both = Array.from({ length: 40 }, (_, i) => i % 2 === 0 ? one : two)
      const claims = await Promise.all(both.map(async store => await store.claim('state', hour)))
      t.equal(claims.filter(won => won).length, 1)
      await Promise.all(both.map(async (store, i) => { await store.addMember('u', `m${i}`, hour) }))
      t.equal((await one.members('u')).length, 40)
      const left = await Promise.all(both.map(async (store, i) => await store.removeMember('u', `m${i}`)))
      t.ok(left.includes(0), 'whoever was last knows it')
      await one.claim('expired', 1)
      await delay(20)
      const again = await Promise.all(both.map(async store => await store.claim('expired', hour)))
      t.equal(again.filter(won => won).length, 1)
    })

    await t.test('names that look like SQL, and members that look like a set, are text', async t => {
      const store = await openStore(t, place)
      for (const odd of ['\' OR \'1\'=\'1', '\\', '\\\'; DROP TABLE scopegate; --', '?', '$1', '%', '<a>', '>', '"', '\u0000', '\ud800', '\\u003c']) {
        await store.set(odd, odd, hour)
        t.equal(await store.get(odd), odd, inspect(odd))
        await store.addMember('odd', odd, hour)
      }
      t.equal((await store.members('odd')).length, 12)
      t.ok((await store.members('odd')).includes('\ud800'))
      for (const [index, member] of (await store.members('odd')).entries()) t.equal(await store.removeMember('odd', member), 11 - index)
    })
  })
}

t.test('MySQL finds rows by their key', async t => {
  const plan = await places[1].admin('EXPLAIN SELECT value FROM scopegate WHERE id = _ascii X\'61\' AND ends_at > 1')
  t.match(plan, /const|Impossible WHERE noticed after reading const tables/)
})
