/**
 * This file keeps the store's contract in a SQL database, for several replicas: one table, one row for a record, a claim,
 * a lock or a set. keyv's adapter brings the pool and the table; its own `get`, `set` and `delete` know neither lifetimes
 * nor conditions, so the statements are ours (ADR 0010).
 *
 * Messages reach this process only. Another replica learns of a sign-out when it reads the session again, within 30 s.
 */
import { createBreaker } from '../breaker.ts'
import { createGuard } from '../guard.ts'
import { createLink, type OnCheck } from '../link.ts'
import { takeLock } from '../lock.ts'
import type { Store, VersionedValue } from '../store.ts'
import { createTopics } from '../topics.ts'
import { createTroubleLog, type Log } from '../trouble.ts'
import { newVersion, textOf } from '../version.ts'
import { openConnection, type SqlConnection } from './connection.ts'
import type { Dialect } from './dialect.ts'
import { createStatements } from './statements.ts'
import { createSweeper } from './sweeper.ts'
import { decode, decodeMembers, encode, encodeMember, nameOf } from './text.ts'

export interface SqlStoreOptions {
  readonly dialect: Dialect
  /** An identifier, with its schema where there is one. Deployments that share a database must differ in it. */
  readonly table: string
  readonly log: Log
  readonly onCheck?: OnCheck | undefined
  /** How often expired rows are swept out, in milliseconds. */
  readonly sweepMs?: number
  /** How long a command may take, in milliseconds; default 500. */
  readonly commandMs?: number
}

export interface SqlStore extends Store {
  /** Waits, for ever if need be, until the database answers. */
  ready (): Promise<void>
}

/** Databases count whole milliseconds. */
const wholeMs = (ttlMs: number): number => Math.ceil(ttlMs)

/** Connects in the background: neither this nor the start of a gateway depends on the database. */
export function createSqlStore ({ dialect, table, log, onCheck, sweepMs = 60_000, commandMs }: SqlStoreOptions): SqlStore {
  const sql = createStatements(dialect, table)
  const now = (): number => performance.now()
  const breaker = createBreaker({ failures: 5, pauseMs: 10_000, now })
  const trouble = createTroubleLog({ log, what: dialect.name, now, codeOf: dialect.codeOf })
  let waiting: Array<() => void> = []
  const link = createLink<SqlConnection>({
    open: async () => await openConnection(dialect, table, sql),
    onUp () {
      breaker.reset()
      trouble.up()
      for (const resolve of waiting) resolve()
      waiting = []
    },
    onDown: trouble.down,
    onCheck
  })
  const run = createGuard(link, breaker, dialect.isAnswer, commandMs)
  const change = async (text: string, ...values: ReadonlyArray<string | number>): Promise<number> =>
    await run(async connection => await connection.change(text, values))
  const sweeper = createSweeper(async () => await change(sql.sweep), sweepMs)
  const isReady = (): boolean => link.isUp() && breaker.isClosed()

  async function readRow (key: string): Promise<{ readonly value: string, readonly version: number } | undefined> {
    const [row] = await run(async connection => await connection.select(sql.read, [nameOf(key)]))
    return row === undefined ? undefined : { value: String(row.value), version: Number(row.version) }
  }

  /** The value as it is kept, and its version. */
  function written (value: VersionedValue): [string, number] {
    const version = newVersion()
    return [encode(textOf(value, version)), version]
  }

  async function write (key: string, value: VersionedValue, ttlMs: number): Promise<void> {
    await change(sql.write, nameOf(key), ...written(value), wholeMs(ttlMs))
  }

  /** An expired row is in the way of the insert, so it goes first; of those who find one, one inserts. */
  async function take (key: string, value: string, ttlMs: number): Promise<boolean> {
    const insert = async (): Promise<boolean> =>
      await change(sql.writeIfAbsent, nameOf(key), value, newVersion(), wholeMs(ttlMs)) > 0
    if (await insert()) return true
    return await change(sql.deleteExpired, nameOf(key)) > 0 && await insert()
  }

  return {
    isReady,
    async ready () { if (!isReady()) await new Promise<void>(resolve => { waiting.push(resolve) }) },

    async get (key) {
      const row = await readRow(key)
      return row && decode(row.value)
    },
    set: write,
    update: async (key, value, ttlMs) => await change(sql.update, ...written(value), wholeMs(ttlMs), nameOf(key)) > 0,
    delete: async key => await change(sql.delete, nameOf(key)) > 0,

    claim: async (key, ttlMs) => await take(key, '', ttlMs),

    async read (key) {
      const row = await readRow(key)
      return row && { version: row.version, value: decode(row.value) }
    },
    replace: write,
    compareAndSet: async (key, version, value, ttlMs) =>
      await change(sql.compareAndSet, ...written(value), wholeMs(ttlMs), nameOf(key), version) > 0,

    lock: async (key, leaseMs, waitMs) => await takeLock({
      take: async owner => await take(key, owner, leaseMs),
      free: async owner => await change(sql.deleteIfEqual, nameOf(key), owner)
    }, waitMs),

    async addMember (key, member, ttlMs) {
      const [text, px] = [encodeMember(member), wholeMs(ttlMs)]
      const add = async (): Promise<boolean> => await change(sql.addMember, text, text, newVersion(), px, px, nameOf(key)) > 0
      // A set that another replica makes between the two is there for the next turn.
      while (!await add() && !await take(key, text, px));
    },
    async removeMember (key, member) {
      const removed = await change(sql.removeMember, encodeMember(member), newVersion(), nameOf(key))
      return removed === 0 ? 0 : decodeMembers((await readRow(key))?.value ?? '').length
    },
    members: async key => decodeMembers((await readRow(key))?.value ?? ''),

    ...createTopics(),
    async close () {
      sweeper.stop()
      await link.close()
    }
  }
}
