/** This file makes the store that a config names. */
import type { Config } from '../config/schema.ts'
import type { OnCheck } from '../store/link.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createRedisStore } from '../store/redis/store.ts'
import { mysqlDialect } from '../store/sql/mysql.ts'
import { postgresDialect } from '../store/sql/postgres.ts'
import { sqliteDialect } from '../store/sql/sqlite.ts'
import { createSqlStore } from '../store/sql/store.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../store/trouble.ts'

export interface StoreDeps {
  readonly log: Log
  /** Epoch milliseconds, for the store in memory; the others go by their server's clock. */
  readonly now: () => number
  /** Told whether a shared store answers, each second, also while nobody asks it for anything. */
  readonly onCheck?: OnCheck
}

/** Shared stores are connected to in the background: a gateway starts, and serves what needs no session, without them. */
export function createStore ({ redis, postgres, mysql, sqlite }: Config['store'], { log, now, onCheck }: StoreDeps): Store {
  if (redis !== undefined) return createRedisStore({ ...redis, log, onCheck })
  if (postgres !== undefined) {
    return createSqlStore({ dialect: postgresDialect(postgres), table: `${postgres.schema}.${postgres.table}`, log, onCheck })
  }
  if (mysql !== undefined) return createSqlStore({ dialect: mysqlDialect(mysql), table: mysql.table, log, onCheck })
  if (sqlite !== undefined) return createSqlStore({ dialect: sqliteDialect(sqlite), table: sqlite.table, log, onCheck })
  return createMemoryStore({ now })
}
