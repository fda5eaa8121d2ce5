/** This file measures the operations of a store. */
import type { Store } from './store.ts'

/** @param outcome - `ok`, or `failed` when the store did not answer */
export type ObserveOperation = (operation: string, outcome: 'ok' | 'failed', seconds: number) => void

const measured = [
  'get', 'set', 'update', 'delete', 'claim', 'read', 'replace', 'compareAndSet', 'lock', 'addMember', 'removeMember', 'members', 'publish'
] as const satisfies ReadonlyArray<keyof Store>

/** The same store, of whose operations each is told when it is over. Waiting for a lock counts as part of `lock`. */
export function timedStore (store: Store, observe: ObserveOperation): Store {
  const timed = measured.map(name => {
    const operation = store[name] as (...args: unknown[]) => Promise<unknown>
    return [name, async (...args: unknown[]): Promise<unknown> => {
      const startedAt = performance.now()
      let outcome: 'ok' | 'failed' = 'failed'
      try {
        const result = await operation(...args)
        outcome = 'ok'
        return result
      } finally {
        observe(name, outcome, (performance.now() - startedAt) / 1000)
      }
    }]
  })
  return { ...store, ...Object.fromEntries(timed) as Pick<Store, typeof measured[number]> }
}
