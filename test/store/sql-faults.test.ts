/**
 * This file takes the database away in the ways databases go: down, killed, stopped, locked, closed to us. Nothing may wait
 * for longer than its deadline, no failure may look like "none" or "done", and no failure may end the process.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { KeyvSqlite } from '@keyv/sqlite'
import t, { type Test } from 'tap'
import type { Dialect } from '../../src/store/sql/dialect.ts'
import { mysqlDialect } from '../../src/store/sql/mysql.ts'
import { postgresDialect } from '../../src/store/sql/postgres.ts'
import { sqliteDialect } from '../../src/store/sql/sqlite.ts'
import { createSqlStore, type SqlStore } from '../../src/store/sql/store.ts'
import { createAuthority, keepPem } from '../support/certificates.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/redis.ts'
import { password, type SqlServer, type SqlSettings, startMysql, startPostgres, startSqlite } from '../support/sql.ts'

const hour = 3_600_000
const operations: Readonly<Record<string, (store: SqlStore) => Promise<unknown>>> = {
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
  members: async store => await store.members('m')
}

/** Deadlines are 500 ms; the rest is for slow machines. */
const soonMs = 1500

interface World {
  readonly store: SqlStore
  readonly lines: unknown[][]
}

function openStore (t: Test, dialect: Dialect, table = 'scopegate'): World {
  const lines: unknown[][] = []
  const keep = (...line: unknown[]): void => { lines.push(line) }
  const store = createSqlStore({ dialect, table, log: { info: keep, warn: keep, error: keep } })
  t.teardown(store.close)
  return { store, lines }
}

/** The operation must fail as a store that does not answer, in time. */
async function expectFailure (t: Test, name: string, store: SqlStore): Promise<void> {
  const startedAt = performance.now()
  try {
    t.fail(`${name} gave ${inspect(await operations[name]!(store))}`)
  } catch (error) {
    const ms = performance.now() - startedAt
    t.match(error, { code: 'SG_STORE_UNAVAILABLE', statusCode: 503 }, name)
    t.ok((error as Error).cause instanceof Error, `${name} has a cause`)
    t.ok(ms < soonMs, `${name} took ${Math.round(ms)} ms`)
  }
}

async function expectAllFail (t: Test, store: SqlStore): Promise<void> {
  for (const name of Object.keys(operations)) await expectFailure(t, name, store)
}

type Start = (t: Test, settings?: SqlSettings) => Promise<SqlServer>
const servers: ReadonlyArray<readonly [string, Start]> = [['PostgreSQL', startPostgres], ['MariaDB', startMysql]]

for (const [kind, start] of servers) {
  await t.test(kind, async t => {
    const server = await start(t)

    await t.test('down at the start: nothing waits, nothing is ready, and it heals itself', async t => {
      await server.kill()
      const { store, lines } = openStore(t, server.dialect())
      await expectAllFail(t, store)
      t.notOk(store.isReady())
      await until('a line', () => lines.length > 0)
      await delay(500)
      t.equal(lines.length, 1, 'one line, however often it was tried')
      t.notMatch(inspect(lines, { depth: 20, showHidden: true }), password)
      await server.restart()
      await until('a connection', () => store.isReady())
      await store.set('a', 'one', hour)
      t.equal(await store.get('a'), 'one')
      t.match(lines.at(-1), [{ event: 'store.up' }])
    })

    await t.test('killed: every operation fails, nothing is lost, and it heals itself', async t => {
      const { store } = openStore(t, server.dialect())
      await store.ready()
      await store.set('kept', 'one', hour)
      // Idle connections are lost too.
      await Promise.all(Array.from({ length: 10 }, async () => await store.get('kept')))
      await server.kill()
      await expectAllFail(t, store)
      await until('it to be seen', () => !store.isReady())
      await server.restart()
      await until('a connection', () => store.isReady())
      t.equal(await store.get('kept'), 'one')
    })

    await t.test('stopped: five deadlines, then everything fails at once; when it goes on, so do we', async t => {
      const { store } = openStore(t, server.dialect())
      await store.ready()
      await store.set('a', 'one', hour)
      await server.stop()
      const startedAt = performance.now()
      const many = await Promise.allSettled(Array.from({ length: 500 }, async () => await store.get('a')))
      t.ok(performance.now() - startedAt < soonMs, 'hundreds at once wait no longer than one')
      t.same([...new Set(many.map(one => one.status === 'rejected' ? one.reason.code : one.value))], ['SG_STORE_UNAVAILABLE'])
      await expectAllFail(t, store)
      t.notOk(store.isReady())
      await server.resume()
      await until('a connection', () => store.isReady())
      t.equal(await store.get('a'), 'one')
    })

    await t.test('a store is closed whatever state it is in, and is of no use then', async t => {
      const { store: early } = openStore(t, server.dialect())
      await early.close()
      const { store } = openStore(t, server.dialect())
      await store.ready()
      await server.stop()
      const pending = store.get('a').catch(() => {})
      await store.close()
      await pending
      await server.resume()
      for (const closed of [store, early]) await t.rejects(closed.get('a'), { code: 'SG_STORE_UNAVAILABLE' })
    })

    await t.test('a store that is closed leaves the stores beside it alone', async t => {
      const [one, two] = [openStore(t, server.dialect()).store, openStore(t, server.dialect()).store]
      await Promise.all([one.ready(), two.ready()])
      await one.close()
      await two.set('a', 'still here', hour)
      t.equal(await two.get('a'), 'still here')
    })

    await t.test('a user who may not make the table: not ready, one line, and the process goes on', async t => {
      const { dialect, config } = await withUser(server)
      t.notMatch(inspect(config), password)
      const { store, lines } = openStore(t, dialect('secret-of-reader'), 'not_there')
      await until('a line', () => lines.length > 0)
      await expectAllFail(t, store)
      t.notOk(store.isReady())
      const { store: wrong, lines: others } = openStore(t, dialect('wrong-canary'), 'not_there')
      await until('a line', () => others.length > 0)
      t.notMatch(inspect([others, await wrong.get('a').catch((error: unknown) => error)], { depth: 20, showHidden: true }), 'wrong-canary')
    })
  })

  await t.test(`${kind} with TLS: the certificate and the name are verified`, async t => {
    const authority = createAuthority()
    const server = await start(t, { identity: authority.issue(['localhost']) })
    const caFile = keepPem(t, authority.pem)
    const stranger = keepPem(t, createAuthority('Somebody else').pem)
    const at = (host: string, tls: { caFile?: string } | undefined): Dialect => {
      const options = { password, connections: 2, table: 'scopegate', tls }
      return server.kind === 'mysql'
        ? mysqlDialect({ ...options, url: `mysql://gw@${host}:${server.port}/gw` })
        : postgresDialect({ ...options, schema: 'public', url: `postgres://gw@${host}:${server.port}/postgres` })
    }
    const { store } = openStore(t, at('localhost', { caFile }))
    await until('a connection', () => store.isReady())
    await store.set('a', 'one', hour)
    t.equal(await store.get('a'), 'one')
    await server.kill()
    await until('it to be seen', () => !store.isReady())
    await server.restart()
    await until('a connection', () => store.isReady())
    t.equal(await store.get('a'), 'one', 'broken TLS connections have ended nothing')
    const refused: Readonly<Record<string, Dialect>> = {
      'another CA': at('localhost', { caFile: stranger }),
      'the public CAs': at('localhost', {}),
      'another name': server.kind === 'mysql' ? at('127.0.0.1.nip.invalid', { caFile }) : at('127.0.0.1', { caFile }),
      'no TLS': at('localhost', undefined)
    }
    for (const [name, dialect] of Object.entries(refused)) {
      const { store, lines } = openStore(t, dialect)
      await until('a refusal', () => lines.length > 0)
      t.notOk(store.isReady(), name)
    }
  })
}

/** An account that may sign in, and nothing else. */
async function withUser (server: SqlServer) {
  if (server.kind === 'mysql') {
    await server.admin('CREATE USER reader@\'127.0.0.1\' IDENTIFIED BY \'secret-of-reader\'; GRANT SELECT ON gw.* TO reader@\'127.0.0.1\'')
  } else await server.admin('CREATE USER reader PASSWORD \'secret-of-reader\'; REVOKE ALL ON SCHEMA public FROM PUBLIC')
  const options = { connections: 2, table: 'not_there' }
  return {
    config: options,
    dialect: (secret: string): Dialect => server.kind === 'mysql'
      ? mysqlDialect({ ...options, url: `mysql://reader:${secret}@127.0.0.1:${server.port}/gw` })
      : postgresDialect({ ...options, schema: 'public', url: `postgres://reader:${secret}@127.0.0.1:${server.port}/postgres` })
  }
}

t.test('nobody listens at all: refused at once, and closed at once', async t => {
  const port = await freePort()
  for (const dialect of [
    postgresDialect({ url: `postgres://u@127.0.0.1:${port}/d`, connections: 1, schema: 'public', table: 'scopegate' }),
    mysqlDialect({ url: `mysql://u@127.0.0.1:${port}/d`, connections: 1, table: 'scopegate' })
  ]) {
    const { store, lines } = openStore(t, dialect)
    await until('a line', () => lines.length > 0)
    t.match(lines[0], [{ event: 'store.down', reply: 'ECONNREFUSED' }])
    await store.close()
  }
})

t.test('SQLite: a folder that is not there, and a file that another process keeps locked', async t => {
  const place = startSqlite(t)
  const file = join(dirname(place.file), 'later', 'store.db')
  const { store, lines } = openStore(t, sqliteDialect({ file, table: 'scopegate' }))
  await until('a line', () => lines.length > 0)
  await expectAllFail(t, store)
  t.notOk(store.isReady())
  mkdirSync(dirname(file))
  await until('the file', () => store.isReady())
  await store.set('a', 'one', hour)

  const other = new KeyvSqlite({ uri: `sqlite://${file}`, table: 'of_the_test', busyTimeout: 5000 })
  t.teardown(async () => { await other.close() })
  await other.query('BEGIN IMMEDIATE')
  await expectFailure(t, 'set', store)
  await expectFailure(t, 'claim', store)
  t.equal(await store.get('a'), 'one', 'what is read needs no lock')
  await other.query('COMMIT')
  await store.set('a', 'two', hour)
  t.equal(await store.get('a'), 'two')
})
