/**
 * This file has what outlives a gateway: when another config takes over, its sessions are still there.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/schema.ts'
import { generateKey, type RingKey } from '../store/key-ring.ts'
import type { Store } from '../store/store.ts'
import { createStore, type StoreDeps } from './stores.ts'

/** Given to one gateway after the other. */
export interface Shared {
  /** The store of these settings: the same one while somebody has it open. It ends when everybody has closed theirs. */
  openStore (settings: Config['store']): Store
  /** For a config without keys. Enough for the memory store, whose sessions do not outlive the process either. */
  readonly generatedKey: RingKey
}

interface Open {
  readonly settings: Config['store']
  readonly store: Store
  users: number
}

export function createShared (deps: StoreDeps): Shared {
  const open = new Set<Open>()

  function start (settings: Config['store']): Open {
    const started = { settings, store: createStore(settings, deps), users: 0 }
    open.add(started)
    return started
  }

  async function leave (one: Open): Promise<void> {
    one.users--
    if (one.users > 0) return
    open.delete(one)
    await one.store.close()
  }

  return {
    openStore (settings) {
      const one = [...open].find(other => isDeepStrictEqual(other.settings, settings)) ?? start(settings)
      one.users++
      return { ...one.store, close: async () => { await leave(one) } }
    },
    generatedKey: generateKey()
  }
}
