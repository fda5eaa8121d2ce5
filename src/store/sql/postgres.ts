/** This file is PostgreSQL through @keyv/postgres. */
import { codeOf, type Database, type Dialect } from './dialect.ts'
import { createSockets, readTls, type ServerOptions, targetOf } from './server.ts'

export interface PostgresOptions extends ServerOptions {
  readonly schema: string
  readonly table: string
}

const connectMs = 1000
/** Above the deadline of the store: then nobody waits any more, and the connection is not used again. */
const queryMs = 2000

/**
 * SQLSTATEs by which a server sends us away: connection trouble, wrong credentials, no such database, read-only, out of
 * connections, shutting down.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const sentAway = /^(?:08|28|3D|25006|53300|57P)/

export function postgresDialect (options: PostgresOptions): Dialect {
  return {
    name: 'PostgreSQL',
    key: 'key',
    now: 'CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)',
    orOverwrite: 'ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, ends_at = excluded.ends_at',
    orNothing: 'ON CONFLICT (key) DO NOTHING',
    concat: (first, second) => `${first} || ${second}`,
    sweep: (table, expired) => `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE ${expired} LIMIT 500) AND ${expired}`,
    // Sent as one text, so that the table has both or neither.
    widen: table => [
      `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS version BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS ends_at BIGINT NOT NULL DEFAULT 0;
      CREATE INDEX IF NOT EXISTS ${options.table}_ends_at ON ${table} (ends_at)`
    ],
    role: 'SELECT pg_is_in_recovery() AS refused',
    open: async () => await open(options),
    codeOf,
    isAnswer: error => {
      const code = codeOf(error)
      return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]/.test(code) && !sentAway.test(code)
    },
    isDeadlock: error => ['40P01', '40001'].includes(codeOf(error) ?? '')
  }
}

async function open (options: PostgresOptions): Promise<Database> {
  const [{ KeyvPostgres }, { Pool }] = await Promise.all([import('@keyv/postgres'), import('pg')])
  const sockets = createSockets()
  const ssl = await readTls(options)
  const pool = new Pool({
    ...targetOf(options, 5432),
    ...(ssl !== undefined && { ssl }),
    max: options.connections,
    stream: () => sockets.open(),
    connectionTimeoutMillis: connectMs,
    query_timeout: queryMs,
    keepAlive: true,
    application_name: 'scopegate'
  })
  // An idle connection was lost: the pool opens another one. Without a listener this would end the process.
  pool.on('error', () => {})

  /** The adapter's own pool has no such listener, and is shared by everyone in the process. */
  class KeyvOverPool extends KeyvPostgres {
    override async connect () {
      return async (sql: string, values?: unknown[]) => (await pool.query(sql, values)).rows
    }
  }

  const adapter = new KeyvOverPool({ schema: options.schema, table: options.table })
  // It could not make its table. If the table is not there, the next statement fails, too.
  adapter.on('error', () => {})
  const numbered = (sql: string): string => {
    let count = 0
    return sql.replaceAll('?', () => `$${++count}`)
  }
  return {
    select: async (sql, values) => await adapter.query(numbered(sql), values),
    change: async (sql, values) => (await adapter.query(`${numbered(sql)} RETURNING 1`, values)).length,
    run: async sql => { await adapter.query(sql) },
    end () {
      pool.end().catch(() => {})
      sockets.end()
    }
  }
}
