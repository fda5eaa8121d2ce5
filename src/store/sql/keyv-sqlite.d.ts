/**
 * This file declares what is used of @keyv/sqlite, which is not installed with the project: its driver is compiled, or
 * fetched from outside the registry, when it is installed (ADR 0010).
 */
declare module '@keyv/sqlite' {
  import type { EventEmitter } from 'node:events'

  export class KeyvSqlite extends EventEmitter {
    constructor (options: { readonly uri: string, readonly table: string, readonly busyTimeout: number })
    query (sql: string, ...values: ReadonlyArray<string | number>): Promise<Array<Readonly<Record<string, unknown>>>>
    close (): Promise<void>
  }
}
