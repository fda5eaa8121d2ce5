/**
 * This file looks at what Redis does when its memory is full. Under every policy but one it throws records away, and their
 * users have to sign in again: worth a line in the log, and nothing more.
 */
import type { Connection } from './connect.ts'
import type { Log } from '../trouble.ts'

/** Tells of a policy that evicts, once: a reconnection says nothing new. Silent where the user may not ask. */
export function createEvictionWarning (log: Log): (connection: Pick<Connection, 'memoryInfo'>) => void {
  let isSaid = false

  function judge (infos: readonly string[]): void {
    const policy = infos.map(policyIn).find(found => found !== undefined && found !== 'noeviction')
    if (isSaid || policy === undefined) return
    isSaid = true
    log.warn({ event: 'store.evicts', policy }, 'Redis throws sessions away when its memory is full: set maxmemory-policy noeviction')
  }

  return connection => { connection.memoryInfo().then(judge, () => {}) }
}

/** @see https://redis.io/docs/latest/commands/info/ */
function policyIn (info: string): string | undefined {
  return /^maxmemory_policy:([a-z-]+)\r?$/m.exec(info)?.[1]
}
