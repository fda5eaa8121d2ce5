/**
 * This file keeps the store's contract in one process: a Map with lifetimes. Operations are atomic because none of them
 * awaits between reading and writing.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lease, Store, Versioned, VersionedValue } from './store.ts'
import { createTopics } from './topics.ts'

interface Entry {
  readonly value: string | ReadonlySet<string>
  readonly version: number
  readonly endsAt: number
}

export interface MemoryStoreOptions {
  /** Epoch milliseconds. */
  readonly now: () => number
  /** How often expired records are swept out, in milliseconds. */
  readonly sweepMs?: number
}

const lockPollMs = 20

/** Creates a store that lives and dies with this process. Suits one replica; a restart signs everyone out. */
export function createMemoryStore (options: MemoryStoreOptions): Store {
  const { now, sweepMs = 30_000 } = options
  const entries = new Map<string, Entry>()
  let writes = 0
  const sweeper = setInterval(sweep, sweepMs)
  sweeper.unref()

  function sweep (): void {
    const at = now()
    for (const [key, entry] of entries) if (entry.endsAt <= at) entries.delete(key)
  }

  function live (key: string): Entry | undefined {
    const entry = entries.get(key)
    if (entry === undefined || entry.endsAt > now()) return entry
    entries.delete(key)
    return undefined
  }

  function write (key: string, value: Entry['value'] | VersionedValue, ttlMs: number): void {
    const version = ++writes
    entries.set(key, { value: typeof value === 'function' ? value(version) : value, version, endsAt: now() + ttlMs })
  }

  function textOf (entry: Entry | undefined): string | undefined {
    return typeof entry?.value === 'string' ? entry.value : undefined
  }

  function membersOf (key: string): ReadonlySet<string> {
    const value = live(key)?.value
    return value instanceof Set ? value : new Set()
  }

  function take (key: string, owner: string, leaseMs: number): boolean {
    if (live(key) !== undefined) return false
    write(key, owner, leaseMs)
    return true
  }

  async function lock (key: string, leaseMs: number, waitMs: number): Promise<Lease | undefined> {
    const owner = randomUUID()
    const deadline = performance.now() + waitMs
    while (!take(key, owner, leaseMs)) {
      if (performance.now() >= deadline) return undefined
      await delay(lockPollMs)
    }
    return { release: async () => { if (textOf(live(key)) === owner) entries.delete(key) } }
  }

  return {
    isReady: () => true,
    async get (key) { return textOf(live(key)) },
    async set (key, value, ttlMs) { write(key, value, ttlMs) },
    async update (key, value, ttlMs) {
      if (live(key) === undefined) return false
      write(key, value, ttlMs)
      return true
    },
    async delete (key) {
      const existed = live(key) !== undefined
      entries.delete(key)
      return existed
    },
    async claim (key, ttlMs) { return take(key, '', ttlMs) },
    async read (key): Promise<Versioned | undefined> {
      const entry = live(key)
      return typeof entry?.value === 'string' ? { version: entry.version, value: entry.value } : undefined
    },
    async replace (key, value, ttlMs) { write(key, value, ttlMs) },
    async compareAndSet (key, version, value, ttlMs) {
      if (live(key)?.version !== version) return false
      write(key, value, ttlMs)
      return true
    },
    lock,
    async addMember (key, member, ttlMs) {
      const endsAt = Math.max(live(key)?.endsAt ?? 0, now() + ttlMs)
      write(key, new Set([...membersOf(key), member]), endsAt - now())
    },
    async removeMember (key, member) {
      const entry = live(key)
      const left = new Set(membersOf(key))
      left.delete(member)
      if (entry === undefined || left.size === 0) entries.delete(key)
      else write(key, left, entry.endsAt - now())
      return left.size
    },
    async members (key) { return [...membersOf(key)] },
    ...createTopics(),
    async close () { clearInterval(sweeper) }
  }
}
