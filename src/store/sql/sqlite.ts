/** This file is SQLite through @keyv/sqlite: a file that several processes of one machine may share. */
import { codeOf, type Database, type Dialect } from './dialect.ts'

export interface SqliteOptions {
  readonly file: string
  readonly table: string
}

/** How long a statement waits for another process's; within the deadline of the store. */
const busyTimeout = 400

/** Results by which SQLite says that the file cannot be used. */
const unusable = new Set(['SQLITE_CANTOPEN', 'SQLITE_NOTADB', 'SQLITE_CORRUPT', 'SQLITE_IOERR', 'SQLITE_MISUSE'])

export function sqliteDialect (options: SqliteOptions): Dialect {
  return {
    name: 'SQLite',
    key: 'key',
    now: 'CAST((julianday(\'now\') - 2440587.5) * 86400000 AS INTEGER)',
    orOverwrite: 'ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, ends_at = excluded.ends_at',
    orNothing: 'ON CONFLICT (key) DO NOTHING',
    concat: (first, second) => `${first} || ${second}`,
    sweep: (table, expired) => `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE ${expired} LIMIT 500)`,
    // One statement a call. What the probe looks for comes last.
    widen: table => [
      `ALTER TABLE ${table} ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0`,
      `CREATE INDEX IF NOT EXISTS ${table}_ends_at ON ${table} (ends_at)`,
      `ALTER TABLE ${table} ADD COLUMN version INTEGER NOT NULL DEFAULT 0`
    ],
    role: 'SELECT 0 AS refused FROM sqlite_master LIMIT 1',
    open: async () => await open(options),
    codeOf,
    isAnswer: error => {
      const code = codeOf(error)
      return code !== undefined && code.startsWith('SQLITE_') && !unusable.has(code)
    },
    isDeadlock: () => false
  }
}

async function open ({ file, table }: SqliteOptions): Promise<Database> {
  const { KeyvSqlite } = await import('@keyv/sqlite')
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}`, table, busyTimeout })
  // What it could not do, the statements that wait for it say.
  adapter.on('error', () => {})
  // Readers and a writer do not wait for each other; what is lost with the power is a few last sign-ins.
  await adapter.query('PRAGMA journal_mode = WAL')
  await adapter.query('PRAGMA synchronous = NORMAL')
  return {
    select: async (sql, values) => await adapter.query(sql, ...values),
    change: async (sql, values) => (await adapter.query(`${sql} RETURNING 1`, ...values)).length,
    run: async sql => { await adapter.query(sql) },
    end () { adapter.close().catch(() => {}) }
  }
}
