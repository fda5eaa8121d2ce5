/**
 * This file does a thing once across replicas, however often and at however many of them it is asked for.
 */
import { errors } from '../errors.ts'
import type { Store } from '../store/store.ts'

const leaseMs = 30_000
const waitMs = 5_000

/**
 * Remembered when it is done, not when it is begun: work that failed can be asked for again with the same words, and whoever
 * asks meanwhile waits for how it ends.
 *
 * @param rememberMs - how long it counts as done
 * @returns false when it was done before
 * @throws SG_STORE_UNAVAILABLE; whatever the work throws
 */
export async function once (
  store: Store, { name, rememberMs }: { readonly name: string, readonly rememberMs: number }, work: () => Promise<void>
): Promise<boolean> {
  const lease = await store.lock(`${name}:lock`, leaseMs, waitMs)
  if (lease === undefined) throw new errors.SG_STORE_UNAVAILABLE()
  try {
    if (await store.get(name) !== undefined) return false
    await work()
    await store.set(name, 'done', rememberMs)
    return true
  } finally {
    await lease.release()
  }
}
