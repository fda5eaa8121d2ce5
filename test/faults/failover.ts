/** This file sends users through a failover: requests all the time, and what was and was not promised to them after it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { type RedisServer, until } from '../support/redis.ts'
import { type FaultWorld, signOutHolds, untilHeard } from './support.ts'

/** The servers that are masters now. */
export async function mastersOf (servers: readonly RedisServer[]): Promise<RedisServer[]> {
  const roles = await Promise.all(servers.map(async server => await server.cli('role').catch(() => '')))
  return servers.filter((_, i) => roles[i]!.startsWith('master'))
}

/**
 * @param fail - takes a master away; whatever was acknowledged before is on its replica by then
 */
export async function meetFailover (
  t: Test, world: FaultWorld, servers: readonly RedisServer[], fail: () => Promise<void>
): Promise<void> {
  const { replicas: [one, two], at, signIn } = world
  await untilHeard(servers)
  const [staying, left, ...leaving] = await Promise.all(Array.from({ length: 6 }, signIn))
  const cookie = left!.cookies(at(one, '/')).get('scopegate')!
  t.equal((await left!.visit(at(one, '/.auth/logout'))).status, 303)
  left!.setCookie(at(one, '/'), 'scopegate', cookie)
  for (const master of await mastersOf(servers)) await until('replicas that have it all', async () => Number(await master.cli('wait', '1', '1000')) >= 1)
  await fail()
  const [statuses, signOuts] = [new Set<number>(), new Set<number>()]
  const cookies: unknown[] = []
  const signedOut = new Set<typeof leaving[number]>()
  const startedAt = performance.now()
  do {
    for (const replica of [one, two]) {
      replica.clock.advance(31)
      const reply = await staying!.visit(at(replica, '/x'))
      statuses.add(reply.status)
      if (reply.headers['set-cookie'] !== undefined) cookies.push(reply.headers['set-cookie'])
    }
    for (const browser of leaving) {
      if (signedOut.has(browser)) continue
      const status = await signOutStatus(world, browser)
      signOuts.add(status)
      if (status === 303) signedOut.add(browser)
    }
    await delay(50)
  } while (!(one.isReady() && two.isReady()) && performance.now() - startedAt < 60_000)
  t.same(cookies, [], 'no cookie is set or cleared')
  for (const seen of [statuses, signOuts]) seen.delete(503)
  t.same([...statuses].filter(status => status !== 200), [], 'a request is answered, or told that the store is away')
  t.same([...signOuts].filter(status => status !== 303), [], 'and so is a sign-out')
  for (const replica of [one, two]) {
    t.equal((await staying!.visit(at(replica, '/x'))).status, 200, 'the first request works')
    t.equal((await left!.fetch(at(replica, '/x'))).status, 401, 'a sign-out from before was not lost')
    for (const browser of leaving) {
      replica.clock.advance(31)
      t.equal((await browser.fetch(at(replica, '/x'))).status, signedOut.has(browser) ? 401 : 200, 'a sign-out was one, or was refused')
    }
  }
  await signOutHolds(t, world, staying!)
}

/** Asks for a sign-out; the browser keeps its cookie all the same. */
async function signOutStatus ({ replicas: [one], at }: FaultWorld, browser: Awaited<ReturnType<FaultWorld['signIn']>>): Promise<number> {
  const cookie = browser.cookies(at(one, '/')).get('scopegate')!
  const reply = await browser.visit(at(one, '/.auth/logout'))
  browser.setCookie(at(one, '/'), 'scopegate', cookie)
  return reply.status
}
