/**
 * This file says what differs between the databases: how one is reached through its keyv adapter, and the few expressions
 * that SQL has no common word for. Everything else is in `statements.ts` and `store.ts`, once.
 */

/** Texts are ASCII (`text.ts`), so no character set or collation of a database can change them. */
export type SqlValue = string | number
export type Row = Readonly<Record<string, unknown>>

/** A pool of connections to one database, over one keyv adapter. */
export interface Database {
  /** @param sql - with a `?` for each value */
  select (sql: string, values: readonly SqlValue[]): Promise<readonly Row[]>
  /** Runs INSERT, UPDATE or DELETE. @returns how many rows were written */
  change (sql: string, values: readonly SqlValue[]): Promise<number>
  /** Runs what has neither values nor rows. */
  run (sql: string): Promise<void>
  /** Ends the connections at once, whatever they are doing. */
  end (): void
}

export interface Dialect {
  /** As the log calls it. */
  readonly name: string
  /** The column that the adapter made the primary key. */
  readonly key: string
  /** Epoch milliseconds by the database's own clock. */
  readonly now: string
  /** Ends an INSERT of key, value, version and ends_at. */
  readonly orOverwrite: string
  /** Ends an INSERT that leaves a row alone, and then counts none. */
  readonly orNothing: string
  concat (first: string, second: string): string
  /** DELETE of some hundred rows that have expired; `expired` is the condition. */
  sweep (table: string, expired: string): string
  /** Brings the adapter's table (key, value) to our columns. Each may fail when another replica was first. */
  widen (table: string): readonly string[]
  /** One row; its column `refused` is set on a server that takes no writes. */
  readonly role: string
  /** Connects and has the adapter make its table. */
  open (): Promise<Database>
  /** The code that the database or the client library gave an error. */
  codeOf (error: unknown): string | undefined
  /** Whether an error came from a database that is still the one to ask. */
  isAnswer (error: unknown): boolean
  /** Whether the database chose this statement to end a deadlock: it was not carried out. */
  isDeadlock (error: unknown): boolean
}

/** What ADR 0009 calls an answer, by codes: those of the database itself, without those by which it sends us away. */
export function codeOf (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
