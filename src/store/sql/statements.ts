/**
 * This file is the SQL of the store. Each statement is one transaction of its own and touches one row by its key, so each
 * is atomic on every database, and none can deadlock with more than one other.
 *
 * Lifetimes are judged and counted by the database's clock: replicas whose clocks differ agree. An expired row is not
 * there; it is overwritten or swept.
 */
import type { Dialect } from './dialect.ts'

/** @param table - an identifier that needs no quotes, with its schema where there are any */
export function createStatements (dialect: Dialect, table: string) {
  const { key, now, concat } = dialect
  const isLive = `${key} = ? AND ends_at > ${now}`
  const insert = `INSERT INTO ${table} (${key}, value, version, ends_at) VALUES (?, ?, ?, ${now} + ?)`
  const withoutMember = 'REPLACE(value, ?, \'\')'

  return {
    /** Fails unless the table has our columns. */
    probe: `SELECT version FROM ${table} WHERE 1 = 0`,
    /** key */
    read: `SELECT value, version FROM ${table} WHERE ${isLive}`,
    /** key, value, version, ttl */
    write: `${insert} ${dialect.orOverwrite}`,
    /** key, value, version, ttl */
    writeIfAbsent: `${insert} ${dialect.orNothing}`,
    /** value, version, ttl, key */
    update: `UPDATE ${table} SET value = ?, version = ?, ends_at = ${now} + ? WHERE ${isLive}`,
    /** value, version, ttl, key, version that was seen */
    compareAndSet: `UPDATE ${table} SET value = ?, version = ?, ends_at = ${now} + ? WHERE ${isLive} AND version = ?`,
    /** key */
    delete: `DELETE FROM ${table} WHERE ${isLive}`,
    /** key */
    deleteExpired: `DELETE FROM ${table} WHERE ${key} = ? AND ends_at <= ${now}`,
    /** key, value */
    deleteIfEqual: `DELETE FROM ${table} WHERE ${key} = ? AND value = ?`,
    /** member, member, version, ttl, ttl, key */
    addMember: `UPDATE ${table} SET value = ${concat(withoutMember, '?')}, version = ?, ` +
      `ends_at = CASE WHEN ends_at < ${now} + ? THEN ${now} + ? ELSE ends_at END WHERE ${isLive}`,
    /** member, version, key */
    removeMember: `UPDATE ${table} SET value = ${withoutMember}, version = ? WHERE ${isLive}`,
    sweep: dialect.sweep(table, `ends_at <= ${now}`)
  }
}

export type Statements = ReturnType<typeof createStatements>
