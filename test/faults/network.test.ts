/** This file puts a bad network between two gateways and their Redis, while users are there (security.md, C11.2 and C11.3). */
import t, { type Test } from 'tap'
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { startEntra } from '../support/gateway.ts'
import { startRedis, until } from '../support/redis.ts'
import { away, type FaultWorld, meetFault, meetRecovery, type Recovery, startCast, startFaultWorld, untilHeard } from './support.ts'

const server = await startRedis(t)
const entra = await startEntra(t)

/** Gateways of its own for each fault: what the one before left behind is gone. */
async function start (t: Test): Promise<{ world: FaultWorld, proxy: FaultProxy }> {
  const proxy = await startFaultProxy(t, server.port)
  const world = await startFaultWorld(t, { redis: { url: `redis://127.0.0.1:${proxy.port}` }, entra })
  await untilHeard([server])
  return { world, proxy }
}

const faults: ReadonlyArray<readonly [what: string, fault: Fault, claims: Recovery['claims']]> = [
  ['answers that take 2 s, more or less', { kind: 'delay', ms: 2000, jitterMs: 500 }, 'late'],
  ['a hole', { kind: 'blackhole' }, 'none'],
  ['resets', { kind: 'reset' }, 'none'],
  ['commands that arrive and answers that do not', { kind: 'one-way' }, 'late'],
  ['connections that the other side has closed', { kind: 'half-closed' }, 'late']
]

for (const [what, fault, claims] of faults) {
  t.test(`C11.2, C11.3 ${what}: 503 or this replica's copy, and all is as before when it is over`, async t => {
    const { world, proxy } = await start(t)
    const { replicas: [one, two] } = world
    const cast = await startCast(t, world)
    proxy.set(fault)
    await meetFault(t, world, cast, { ...away, stranger: 'sent to sign in' })
    await until('the replicas know', () => !one.isReady() && !two.isReady())
    await meetFault(t, world, cast, away)
    proxy.set({ kind: 'pass' })
    await meetRecovery(t, world, cast, { claims, signOut: 503 })
  })
}

t.test('C11.2, mod_auth_openidc-2026-08-11b connections that die without a sign are replaced by themselves; whoever meets one is told to try again', async t => {
  const { world, proxy } = await start(t)
  const cast = await startCast(t, world)
  proxy.set({ kind: 'half-open' })
  await meetFault(t, world, cast, { ...away, stranger: 'sent to sign in' })
  await until('new connections', () => proxy.live() === 4 && proxy.connections() === 4)
  await meetRecovery(t, world, cast, { claims: 'none', signOut: 503 })
})

t.test('C11.3 answers that take between nothing and a second are right, or 503', async t => {
  const { world, proxy } = await start(t)
  const { replicas: [one, two] } = world
  const browser = await world.signIn()
  proxy.set({ kind: 'delay', ms: 0, jitterMs: 900 })
  const seen = new Set<number>()
  for (let i = 0; i < 8; i++) {
    for (const replica of world.replicas) replica.clock.advance(31)
    const replies = await Promise.all(world.replicas.map(async replica => await browser.visit(world.at(replica, '/x'))))
    for (const { status, headers } of replies) {
      seen.add(status)
      t.equal(headers['set-cookie'], undefined)
    }
  }
  t.ok([...seen].every(status => status === 200 || status === 503), [...seen].join())
  proxy.set({ kind: 'pass' })
  await until('both replicas have the store back', () => one.isReady() && two.isReady(), 10_000)
  t.equal((await browser.visit(world.at(two, '/x'))).status, 200)
})
