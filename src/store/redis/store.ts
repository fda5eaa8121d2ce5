/**
 * This file keeps the store's contract in Redis, for several replicas: through keyv what keyv has, and through the client
 * under it what must be atomic (claims, updates, versions, locks, sets) and what must cross replicas (messages).
 *
 * A key is used by one family of operations only: `get`, `set`, `update`; or `read`, `replace`, `compareAndSet`; or
 * members. Keys go to Redis as they are behind the prefix: a `{tag}` in them puts them into one slot of a Cluster.
 */
import { randomInt } from 'node:crypto'
import type { Store, Versioned, VersionedValue } from '../store.ts'
import { createBreaker } from './breaker.ts'
import type { Connection } from './connect.ts'
import { createGuard } from './guard.ts'
import { keyvOver } from './keyv.ts'
import { createLink } from './link.ts'
import { takeLock } from './lock.ts'
import { type RedisTargetOptions, targetOf } from './options.ts'
import { createSubscriber } from './pub-sub.ts'
import { addToSet, removeFromSet, writeIfPrefix } from './scripts.ts'
import { openConnection, openMessageClient } from './topology.ts'
import { createTroubleLog, type Log } from './trouble.ts'

export interface RedisStoreOptions extends RedisTargetOptions {
  /** Before every key and channel, with a colon. Deployments that share a Redis must differ in it. */
  readonly keyPrefix: string
  readonly log: Log
}

export interface RedisStore extends Store {
  /** Waits, for ever if need be, until Redis answers. */
  ready (): Promise<void>
}

interface Records extends Connection {
  readonly keyv: ReturnType<typeof keyvOver>
}

/** Redis takes whole milliseconds, from 1. */
const pxOf = (ttlMs: number): number => Math.ceil(ttlMs)
const expiration = (ttlMs: number) => ({ type: 'PX' as const, value: Math.max(1, pxOf(ttlMs)) })

/** Connects in the background: neither this nor the start of a gateway depends on Redis. @throws TypeError bad options */
export function createRedisStore (options: RedisStoreOptions): RedisStore {
  const { keyPrefix, log } = options
  if (!/^[^{}\s]+$/.test(keyPrefix)) throw new TypeError('a key prefix is not empty and has no braces or spaces')
  const target = targetOf(options)
  const now = (): number => performance.now()
  const breaker = createBreaker({ failures: 5, pauseMs: 10_000, now })
  const trouble = createTroubleLog(log, 'Redis', now)
  let waiting: Array<() => void> = []
  const link = createLink<Records>({
    async open (onLost) {
      const connection = await openConnection(target, onLost)
      return { ...connection, keyv: keyvOver(connection, keyPrefix) }
    },
    onUp () {
      breaker.reset()
      trouble.up()
      for (const resolve of waiting) resolve()
      waiting = []
    },
    onDown: trouble.down
  })
  const run = createGuard(link, breaker)
  const subscriber = createSubscriber(
    async onLost => await openMessageClient(target, onLost), createTroubleLog(log, 'Redis, for messages,', now), log
  )
  const named = (key: string): string => `${keyPrefix}:${key}`
  const isReady = (): boolean => link.isUp() && link.current()?.isUsable() === true && breaker.isClosed()
  const remove = async (key: string): Promise<boolean> => await run(async ({ keyv }) => await keyv.delete(key))

  return {
    isReady,
    async ready () { if (!isReady()) await new Promise<void>(resolve => { waiting.push(resolve) }) },

    get: async key => await run(async ({ keyv }) => await keyv.get(key)),
    async set (key, value, ttlMs) {
      // keyv takes 0 for "for ever".
      if (pxOf(ttlMs) <= 0) await remove(key)
      else await run(async ({ keyv }) => await keyv.set(key, value, pxOf(ttlMs)))
    },
    async update (key, value, ttlMs) {
      if (pxOf(ttlMs) <= 0) return await remove(key)
      const options = { condition: 'XX' as const, expiration: expiration(ttlMs) }
      return await run(async ({ commands }) => await commands.set(named(key), value, options)) === 'OK'
    },
    delete: remove,

    async claim (key, ttlMs) {
      const options = { condition: 'NX' as const, expiration: expiration(ttlMs) }
      return await run(async ({ commands }) => await commands.set(named(key), '', options)) === 'OK'
    },

    async read (key) { return parseVersioned(await run(async ({ commands }) => await commands.get(named(key)))) },
    async replace (key, value, ttlMs) {
      if (pxOf(ttlMs) <= 0) await remove(key)
      else {
        const options = { expiration: expiration(ttlMs) }
        await run(async ({ commands }) => await commands.set(named(key), withVersion(value), options))
      }
    },
    compareAndSet: async (key, version, value, ttlMs) =>
      await run(async ({ commands }) => await writeIfPrefix(commands, named(key), `${version}:`, withVersion(value), pxOf(ttlMs))),

    lock: async (key, leaseMs, waitMs) => await takeLock(run, named(key), pxOf(leaseMs), waitMs),

    async addMember (key, member, ttlMs) {
      await run(async ({ commands }) => { await addToSet(commands, named(key), member, pxOf(ttlMs)) })
    },
    removeMember: async (key, member) => await run(async ({ commands }) => await removeFromSet(commands, named(key), member)),
    members: async key => await run(async ({ commands }) => await commands.sMembers(named(key))),

    publish: async (topic, message) => { await run(async ({ commands }) => await commands.publish(named(topic), message)) },
    subscribe: (topic, listener, onGap) => subscriber.subscribe(named(topic), { listener, onGap }),
    async close () { await Promise.all([link.close(), subscriber.close()]) }
  }
}

/** Random, so that no version comes back after a deletion, whichever replica writes. Never 0. */
function withVersion (value: VersionedValue): string {
  const version = randomInt(1, 2 ** 48 - 1)
  return `${version}:${typeof value === 'function' ? value(version) : value}`
}

function parseVersioned (text: string | null): Versioned | undefined {
  if (text === null) return undefined
  const end = text.indexOf(':')
  return { version: Number(text.slice(0, end)), value: text.slice(end + 1) }
}
