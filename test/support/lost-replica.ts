/**
 * This file loses replicas in the middle of a renewal: killed or stopped while they hold an account's lock, before or
 * after the provider has taken the refresh token. The replica that is left waits for the end of the lease, 12 seconds.
 */
import type { Test } from 'tap'
import type { Browser, Reply } from './browser.ts'
import { until } from './redis.ts'
import {
  type Api, apis, type ReplicaProcess, startReplica, startWorld, type TestUser, type World, type WorldOptions
} from './replicas.ts'

const orders = apis[0]!
const leaseMs = 12_000
/** The lock's own deadline and the renewal after it, on a slow machine. */
const patienceMs = 60_000

export interface Bench {
  readonly world: World
  readonly user: TestUser
  readonly lost: ReplicaProcess
  readonly left: ReplicaProcess
  readonly browser: Browser
  /** The request whose renewal is under way at the replica to be lost; undefined when its connection broke. */
  readonly pending: Promise<Reply | undefined>
  /** A little before the lease began, on the clock of `performance`. */
  readonly lostAt: number
}

export interface Scene {
  readonly user: TestUser
  readonly lost: ReplicaProcess
  /** Whether the provider gets to answer, or hangs. */
  readonly provider: 'answers' | 'hangs'
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

/** One replica that stays and some to lose, and what loses one: while it renews a token for `reports`. */
export async function startLosing (t: Test, { refreshReuse, replicas }: WorldOptions & { readonly replicas: number }) {
  const world = await startWorld(t, { refreshReuse })
  const [left, ...others] = await Promise.all(Array.from({ length: replicas }, async () => await startReplica(t, world)))
  if (left === undefined) throw new TypeError('no replica')

  async function lose ({ user, lost, provider, signal }: Scene): Promise<Bench> {
    const browser = await world.signIn(user, lost.origin, left!.origin)
    const bench = { world, user, lost, left: left!, browser }
    await expectToken(bench, await browser.fetch(`${bench.left.origin}/orders/x`), orders)

    const before = world.entra.requests().at(-1)!.id
    const fault = provider === 'hangs' ? { action: 'hang' } as const : { delayMs: 300 }
    world.entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, ...fault })
    const lostAt = performance.now()
    const pending = browser.fetch(`${lost.origin}/reports/x`).catch(() => undefined)
    await until('a renewal under way', () => world.tokenCalls(before).length === 1)
    lost.child.kill('SIGSTOP')
    if (provider === 'answers') await until('the answer of the provider', () => world.tokenCalls(before)[0]!.status === 200)
    if (signal === 'SIGKILL') lost.child.kill('SIGKILL')
    return { ...bench, pending, lostAt }
  }

  return { lose, others }
}

export async function expectToken ({ world, user }: Pick<Bench, 'world' | 'user'>, reply: Reply, api: Api): Promise<string> {
  if (reply.status !== 200) throw new Error(`${reply.status} instead of a token for ${api.name}: ${reply.body}`)
  await world.verify(reply.body, user, api)
  return reply.json().headers.authorization
}

/** All five tokens at a replica. */
export async function expectTokens (bench: Pick<Bench, 'world' | 'user'>, browser: Browser, { origin }: ReplicaProcess): Promise<string[]> {
  const tokens: string[] = []
  for (const api of apis) tokens.push(await expectToken(bench, await browser.fetch(`${origin}/${api.name}/x`), api))
  return tokens
}

/** Asks the replica that is left for what the lost one was renewing. */
export async function takeOver (t: Test, bench: Bench): Promise<Reply> {
  const { left, browser, lostAt } = bench
  const at = performance.now()
  const asked = browser.fetch(`${left.origin}/reports/x`)
  await expectToken(bench, await browser.fetch(`${left.origin}/orders/x`), orders)
  const readyMs = performance.now() - at
  const reply = await asked
  const tookMs = performance.now() - lostAt
  t.ok(readyMs < leaseMs / 2, 'what is ready does not wait')
  t.ok(tookMs >= leaseMs, 'the lock was held until the end of the lease')
  t.ok(tookMs < patienceMs, 'and not for ever')
  t.comment(`taken over after ${Math.round(tookMs)} ms, ready token after ${Math.round(readyMs)} ms`)
  return reply
}

/** The replica that was away answers again; until its breaker and back-off allow it, 503 is all that it may say. */
export async function comesBack (t: Test, browser: Browser, { url, status }: { url: string, status: number }): Promise<void> {
  const seen = new Set<number>()
  await until(`${status} of the replica that was away`, async () => {
    const reply = await browser.fetch(url)
    seen.add(reply.status)
    return reply.status !== 503
  })
  seen.delete(503)
  t.same([...seen], [status])
}
