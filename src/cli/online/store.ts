/**
 * This file looks whether the store does what the gateway needs of it: a record is written, read, replaced and deleted
 * under the configured prefix, and a message is passed. What it writes ends by itself within seconds, too.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import { createStore } from '../../server/stores.ts'
import { replyCodeOf } from '../../store/redis/reply.ts'
import type { Store } from '../../store/store.ts'
import type { Log } from '../../store/trouble.ts'
import { type Finding, ok, type Result, warning, withinDeadline } from './finding.ts'
import { ForgetfulStore, storePlace, storeTrouble } from './store-trouble.ts'
import { classOf } from './trouble.ts'

const probeMs = 10_000
const pollMs = 20

/** Never throws. */
export async function lookAtStore (settings: Config['store'], deadlineMs: number): Promise<Finding> {
  const { type } = settings
  if (type === 'memory') return { target: 'store memory', ...ok('is in this process') }
  const place = storePlace(settings)
  const ear = createEar()
  const result = await withinDeadline(deadlineMs, async signal => {
    const store = createStore(settings, { log: ear.log, now: Date.now })
    try {
      await until(store.isReady, ear.heard, signal)
      await tryRecords(store)
      await tryMessages(store, ear, signal)
      return verdict(ear.heard)
    } finally {
      await store.close()
    }
  }, {
    inWords: error => storeTrouble(place, error),
    late: () => storeTrouble(place, ear.heard.trouble ?? new StoreSilent())
  })
  return { target: `store ${type} at ${place.at}`, ...result }
}

/** Nothing was heard of the store at all. Named as the store names a command without an answer. */
class StoreSilent extends Error {
  override readonly name = 'DeadlineMissed'
}

interface Heard {
  /** Why the store, or the connection for messages, is not there. */
  trouble?: unknown
  /** What Redis does when its memory is full, where that costs sessions. */
  evictionPolicy?: string
}

interface Ear {
  readonly log: Log
  readonly heard: Heard
}

/** The store tells its log, and nobody else, what keeps it from being there. */
function createEar (): Ear {
  const heard: Heard = {}
  function listen (fields: { event?: unknown, err?: unknown, policy?: unknown }): void {
    if (fields.event === 'store.down') heard.trouble = fields.err
    if (fields.event === 'store.up') delete heard.trouble
    if (fields.event === 'store.evicts') heard.evictionPolicy = String(fields.policy)
  }
  return { heard, log: { info: listen, warn: listen, error: listen } }
}

/** The store tries for ever; what time will not mend ends it here. */
async function until (isSo: () => boolean, heard: Heard, signal: AbortSignal): Promise<void> {
  while (!isSo()) {
    if (heard.trouble !== undefined && !isSilence(heard.trouble)) throw heard.trouble
    await delay(pollMs, undefined, { signal })
  }
}

/** A machine that is busy, or starts, may answer the next try. */
function isSilence (error: unknown): boolean {
  return error instanceof Error && (/Timeout|DeadlineMissed/.test(classOf(error)) || replyCodeOf(error) === 'LOADING')
}

async function tryRecords (store: Store): Promise<void> {
  const key = `check:${randomUUID()}`
  await store.replace(key, 'one', probeMs)
  const written = await store.read(key)
  const isReplaced = written !== undefined && await store.compareAndSet(key, written.version, 'two', probeMs)
  const isDeleted = await store.delete(key)
  if (written?.value !== 'one' || !isReplaced || !isDeleted) throw new ForgetfulStore()
}

async function tryMessages (store: Store, { heard }: Ear, signal: AbortSignal): Promise<void> {
  const topic = `check:${randomUUID()}`
  const state = { isJoined: false, isHeard: false }
  const leave = store.subscribe(topic, () => { state.isHeard = true }, () => { state.isJoined = true })
  try {
    await until(() => state.isJoined, heard, signal)
    await store.publish(topic, 'x')
    await until(() => state.isHeard, heard, signal)
  } finally {
    leave()
  }
}

function verdict ({ evictionPolicy }: Heard): Result {
  if (evictionPolicy === undefined) return ok('takes, keeps and deletes records, and passes messages')
  return warning(`works, but throws sessions away when its memory is full (${evictionPolicy}): set maxmemory-policy noeviction`)
}
