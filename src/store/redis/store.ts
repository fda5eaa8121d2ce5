/**
 * This file keeps the store's contract in Redis, for several replicas: through keyv what keyv has, and through the client
 * under it what must be atomic (claims, updates, versions, locks, sets) and what must cross replicas (messages).
 *
 * A key is used by one family of operations only: `get`, `set`, `update`; or `read`, `replace`, `compareAndSet`; or
 * members. Keys go to Redis as they are behind the prefix: a `{tag}` in them puts them into one slot of a Cluster.
 */
import { createBreaker } from '../breaker.ts'
import { createGuard } from '../guard.ts'
import { createLink, type OnCheck } from '../link.ts'
import { takeLock } from '../lock.ts'
import type { Store, Versioned, VersionedValue } from '../store.ts'
import { createTroubleLog, type Log } from '../trouble.ts'
import { newVersion, textOf } from '../version.ts'
import type { Connection } from './connect.ts'
import { createEvictionWarning } from './eviction.ts'
import { gathered } from './gathered.ts'
import { keyvOver } from './keyv.ts'
import { type RedisTargetOptions, targetOf } from './options.ts'
import { createSubscriber } from './pub-sub.ts'
import { isAnswer, replyCodeOf } from './reply.ts'
import { addToSet, removeFromSet, removeIfEqual, writeIfPrefix } from './scripts.ts'
import { openConnection, openMessageClient } from './topology.ts'

export interface RedisStoreOptions extends RedisTargetOptions {
  /** Before every key and channel, with a colon. Deployments that share a Redis must differ in it. */
  readonly keyPrefix: string
  readonly log: Log
  readonly onCheck?: OnCheck | undefined
  /** How long a command may take, in milliseconds; default 500. */
  readonly commandMs?: number
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
  const trouble = createTroubleLog({ log, what: 'Redis', now, codeOf: replyCodeOf })
  const warnOfEviction = createEvictionWarning(log)
  let waiting: Array<() => void> = []
  const link = createLink<Records>({
    async open (onLost) {
      const connection = await openConnection(target, onLost)
      return { ...connection, keyv: keyvOver(connection, keyPrefix) }
    },
    onUp (connection) {
      warnOfEviction(connection)
      breaker.reset()
      trouble.up()
      for (const resolve of waiting) resolve()
      waiting = []
    },
    onDown: trouble.down,
    onCheck: options.onCheck
  })
  const run = createGuard(link, breaker, isAnswer, options.commandMs)
  const subscriber = createSubscriber(
    async onLost => await openMessageClient(target, onLost),
    createTroubleLog({ log, what: 'Redis, for messages,', now, codeOf: replyCodeOf }),
    log
  )
  const named = (key: string): string => `${keyPrefix}:${key}`
  const isReady = (): boolean => link.isUp() && link.current()?.isUsable() === true && breaker.isClosed()
  // Keys of several nodes cannot go into one command, and of several commands one could fail.
  const get = target.topology.kind === 'cluster'
    ? async (key: string) => await run(async ({ keyv }) => await keyv.get(key))
    : gathered(async keys => await run(async ({ keyv }) => await keyv.getMany(keys)))
  const remove = async (key: string): Promise<boolean> => await run(async ({ keyv }) => await keyv.delete(key))

  return {
    isReady,
    async ready () { if (!isReady()) await new Promise<void>(resolve => { waiting.push(resolve) }) },

    get,
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

    async lock (key, leaseMs, waitMs) {
      const options = { condition: 'NX' as const, expiration: expiration(leaseMs) }
      return await takeLock({
        take: async owner => await run(async ({ commands }) => await commands.set(named(key), owner, options)) === 'OK',
        free: async owner => await run(async ({ commands }) => await removeIfEqual(commands, named(key), owner))
      }, waitMs)
    },

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

function withVersion (value: VersionedValue): string {
  const version = newVersion()
  return `${version}:${textOf(value, version)}`
}

function parseVersioned (text: string | null): Versioned | undefined {
  if (text === null) return undefined
  const end = text.indexOf(':')
  return { version: Number(text.slice(0, end)), value: text.slice(end + 1) }
}
