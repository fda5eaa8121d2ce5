/** This file is MySQL and MariaDB through @keyv/mysql. */
import { randomUUID } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { codeOf, type Database, type Dialect, type Row, type SqlValue } from './dialect.ts'
import { createSockets, readTls, type ServerOptions, targetOf } from './server.ts'

export interface MysqlOptions extends ServerOptions {
  readonly table: string
}

const connectTimeout = 1000

/** Errors by which a server sends us away: wrong credentials, no such database, out of connections, shutting down, read-only. */
const sentAway = new Set([
  'ER_ACCESS_DENIED_ERROR', 'ER_DBACCESS_DENIED_ERROR', 'ER_BAD_DB_ERROR', 'ER_CON_COUNT_ERROR', 'ER_SERVER_SHUTDOWN',
  'ER_CONNECTION_KILLED', 'ER_OPTION_PREVENTS_STATEMENT', 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION', 'ER_READ_ONLY_MODE'
])

export function mysqlDialect (options: MysqlOptions): Dialect {
  return {
    name: 'MySQL',
    key: 'id',
    // Not NOW(): in the hour that a time zone has twice it does not say which one it means.
    now: '(TIMESTAMPDIFF(MICROSECOND, \'1970-01-01\', UTC_TIMESTAMP(3)) DIV 1000)',
    orOverwrite: 'ON DUPLICATE KEY UPDATE value = VALUES(value), version = VALUES(version), ends_at = VALUES(ends_at)',
    // Not INSERT IGNORE: it ignores more than the row that is there.
    orNothing: 'ON DUPLICATE KEY UPDATE id = id',
    concat: (first, second) => `CONCAT(${first}, ${second})`,
    sweep: (table, expired) => `DELETE FROM ${table} WHERE ${expired} LIMIT 500`,
    // The adapter's TEXT ends at 64 KiB.
    widen: table => [
      `ALTER TABLE ${table} MODIFY value LONGTEXT NOT NULL, ADD COLUMN version BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0, ADD INDEX ${table}_ends_at (ends_at)`
    ],
    role: 'SELECT @@global.read_only AS refused',
    open: async () => await open(options),
    codeOf,
    isAnswer: error => {
      const code = codeOf(error)
      return code !== undefined && code.startsWith('ER_') && !sentAway.has(code)
    },
    isDeadlock: error => codeOf(error) === 'ER_LOCK_DEADLOCK'
  }
}

async function open (options: MysqlOptions): Promise<Database> {
  const { KeyvMysql } = await import('@keyv/mysql')
  const sockets = createSockets()
  const target = targetOf(options, 3306)
  const ssl = await readTls(options)
  const adapter = new KeyvMysql({
    // The adapter's name for its pool: another one each time, or it would hand out the last one.
    uri: `mysql://pool/${randomUUID()}`,
    ...target,
    ...(ssl !== undefined && { ssl: { ...ssl, verifyIdentity: true } }),
    stream ({ config: { pool } }: { readonly config: { readonly pool: EventEmitter } }) {
      if (!pool.listeners('connection').includes(heedErrors)) pool.on('connection', heedErrors)
      return sockets.open({ host: target.host, port: target.port, noDelay: true, keepAlive: true })
    },
    connectionLimit: options.connections,
    connectTimeout,
    // Rows that are left as they are do not count as written.
    flags: ['-FOUND_ROWS'],
    table: options.table
  })
  const query = async (sql: string, values: readonly SqlValue[]): Promise<unknown> => await adapter.query(filledIn(sql, values))
  return {
    select: async (sql, values) => await query(sql, values) as readonly Row[],
    change: async (sql, values) => (await query(sql, values) as { readonly affectedRows: number }).affectedRows,
    run: async sql => { await query(sql, []) },
    end: sockets.end
  }
}

/**
 * A TLS connection that breaks reports two errors: the one that broke it, and that it cannot be closed any more. The pool
 * listens to the first one only, and the second would end the process.
 */
function heedErrors (connection: EventEmitter): void {
  connection.on('error', () => {})
}

/**
 * The adapter takes no values beside a text. Do not quote them instead: whether a backslash escapes depends on the
 * server's `sql_mode`, and hexadecimal digits mean the same in every one. `_ascii` leaves the column's collation in force,
 * without which its index would not be used.
 */
function filledIn (sql: string, values: readonly SqlValue[]): string {
  let index = 0
  return sql.replaceAll('?', () => {
    const value = values[index++]!
    return typeof value === 'number' ? String(value) : `_ascii X'${Buffer.from(value, 'ascii').toString('hex')}'`
  })
}
