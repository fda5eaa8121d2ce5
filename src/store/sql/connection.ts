/**
 * This file opens a database for the store: the table is brought into form, a server that takes no writes is refused, and
 * what was begun is finished before the connections end.
 */
import { commandMs, withDeadline } from '../deadline.ts'
import type { Database, Dialect, Row, SqlValue } from './dialect.ts'
import type { Statements } from './statements.ts'

export interface SqlConnection extends Pick<Database, 'select' | 'change'> {
  isUsable (): boolean
  check (): Promise<void>
  close (): Promise<void>
}

/** Making a table takes longer than a command, and DDL of another replica may be in its way. */
const openMs = 10_000
const maxTries = 5

/** @throws what kept the database from being there with a table that fits */
export async function openConnection (dialect: Dialect, table: string, statements: Statements): Promise<SqlConnection> {
  const database = await dialect.open()
  try {
    await withDeadline(prepare(database, dialect, table, statements), openMs)
  } catch (error) {
    database.end()
    throw error
  }
  return connectionOver(database, dialect)
}

async function prepare (database: Database, dialect: Dialect, table: string, { probe }: Statements): Promise<void> {
  await requireWritable(database, dialect)
  const fits = async (): Promise<unknown> => await database.select(probe, [])
  try {
    await fits()
  } catch {
    // Whichever replica was first, what counts is that the table fits in the end.
    for (const sql of dialect.widen(table)) await database.run(sql).catch(() => {})
    await fits()
  }
}

/** A standby answers reads, and would lose sign-outs. */
async function requireWritable (database: Database, { role }: Dialect): Promise<void> {
  const [row] = await database.select(role, [])
  if (![0, '0', false, 'OFF'].includes(row?.refused as number | string | boolean)) throw new Error('this server takes no writes')
}

function connectionOver (database: Database, dialect: Dialect): SqlConnection {
  const underWay = new Set<Promise<unknown>>()

  async function follow<T> (work: Promise<T>): Promise<T> {
    underWay.add(work)
    try {
      return await work
    } finally {
      underWay.delete(work)
    }
  }

  /** A deadlock is nobody's failure: the statement was not carried out, and the next try finds the way free. */
  async function changeDespiteDeadlocks (sql: string, values: readonly SqlValue[]): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        return await database.change(sql, values)
      } catch (error) {
        if (tries >= maxTries || !dialect.isDeadlock(error)) throw error
      }
    }
  }

  return {
    select: async (sql, values): Promise<readonly Row[]> => await follow(database.select(sql, values)),
    change: async (sql, values) => await follow(changeDespiteDeadlocks(sql, values)),
    isUsable: () => true,
    check: async () => { await withDeadline(requireWritable(database, dialect)) },
    async close () {
      await withDeadline(Promise.allSettled(underWay), commandMs).catch(() => {})
      database.end()
    }
  }
}
