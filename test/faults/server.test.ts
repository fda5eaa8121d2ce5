/** This file takes the Redis of two gateways away in the ways servers go, while users are there (security.md, C11). */
import t, { type Test } from 'tap'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { startEntra } from '../support/gateway.ts'
import { type RedisServer, startRedis, until } from '../support/redis.ts'
import { away, type FaultOutcome, type FaultWorld, meetFault, meetRecovery, type Recovery, startCast, startFaultWorld, untilHeard } from './support.ts'

const server = await startRedis(t, { config: ['maxmemory-policy noeviction'] })
const other = await startRedis(t)
const canary = 'pass-canary-4711'
const entra = await startEntra(t)

/** Gateways of its own for each fault: what the one before left behind is gone. */
async function start (t: Test): Promise<{ world: FaultWorld, proxy: FaultProxy }> {
  const proxy = await startFaultProxy(t, server.port)
  const redis = { url: `redis://127.0.0.1:${proxy.port}`, username: 'default', password: canary }
  const world = await startFaultWorld(t, { redis, entra })
  await untilHeard([server])
  return { world, proxy }
}

/** The trouble is said once a minute, once for records and once for messages; without a secret; and nothing of it is a bug. */
function logIsCalm (t: Test, { replicas }: FaultWorld): void {
  for (const { logged } of replicas) {
    t.ok(logged().split('\n').filter(line => line.includes('"store.down"')).length <= 2)
    t.notOk(logged().includes(canary))
    t.notOk(logged().includes('unexpected error'))
  }
}

interface Row {
  readonly what: string
  readonly begin: (server: RedisServer, proxy: FaultProxy) => Promise<unknown> | void
  readonly end: (server: RedisServer, proxy: FaultProxy) => Promise<unknown> | void
  /** Before the gateways have noticed, and after. */
  readonly at: readonly [FaultOutcome, FaultOutcome?]
  readonly recovery: Recovery
}

const unnoticed: FaultOutcome = { ...away, stranger: 'sent to sign in' }
const refusing = { claims: 'none', signOut: 503 } as const

/** Replies of states that a server cannot be put into from outside. */
const replies: readonly Row[] = [
  'LOADING Redis is loading the dataset in memory',
  'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to \'no\'.',
  'MOVED 3999 127.0.0.1:1',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  'NOPERM this user has no permissions to run this command'
].map(error => ({
  what: `a server that answers ${error.split(' ', 1)[0]}`,
  begin: (_, proxy) => { proxy.set({ kind: 'reply', error }) },
  end: (_, proxy) => { proxy.set({ kind: 'pass' }) },
  at: [unnoticed, away],
  recovery: refusing
}))

const rows: readonly Row[] = [
  {
    what: 'a server that is stopped (SIGSTOP)',
    begin: server => { server.stop() },
    end: server => { server.resume() },
    at: [unnoticed, away],
    recovery: { claims: 'late', signOut: 503 }
  },
  {
    what: 'a server that has become a replica (READONLY)',
    begin: async server => await server.cli('replicaof', '127.0.0.1', String(other.port)),
    end: async server => await server.cli('replicaof', 'no', 'one'),
    // Until the role is seen, by a check every second, sessions are read from it: they are as true as they were a second ago.
    at: [{ unseen: 'either', signOut: 503, stranger: 'sent to sign in' }],
    recovery: refusing
  },
  {
    what: 'a server that is out of memory (OOM)',
    begin: async server => await server.cli('config', 'set', 'maxmemory', '1'),
    end: async server => await server.cli('config', 'set', 'maxmemory', '0'),
    at: [{ unseen: 200, signOut: 303, stranger: 'sent to sign in' }],
    recovery: { claims: 'none', signOut: 303 }
  },
  {
    what: 'a server that wants another password (WRONGPASS)',
    async begin (server) {
      await server.cli('acl', 'setuser', 'default', 'resetpass', '>other')
      await server.cli('-a', 'other', 'client', 'kill', 'type', 'normal', 'skipme', 'no').catch(() => {})
    },
    end: async server => await server.cli('-a', 'other', 'acl', 'setuser', 'default', 'nopass'),
    at: [away],
    recovery: refusing
  },
  ...replies
]

for (const { what, begin, end, at: [first, later], recovery } of rows) {
  t.test(`C11.3, C11.4, C11.5, C11.6, X21 ${what}`, async t => {
    const { world, proxy } = await start(t)
    const { replicas: [one, two] } = world
    const cast = await startCast(t, world)
    await begin(server, proxy)
    if (first.stranger === 'refused') await until('the replicas know', () => !one.isReady() && !two.isReady())
    await meetFault(t, world, cast, first)
    if (later !== undefined) {
      await until('the replicas know', () => !one.isReady() && !two.isReady())
      await meetFault(t, world, cast, later)
    }
    await end(server, proxy)
    await meetRecovery(t, world, cast, recovery)
    logIsCalm(t, world)
  })
}

t.test('C11.2 a server that is killed takes the sessions with it that it had in memory only: the next sign-in works', async t => {
  const { world } = await start(t)
  const { replicas: [one, two] } = world
  const cast = await startCast(t, world)
  await server.kill()
  await meetFault(t, world, cast, away)
  await server.restart()
  await until('both replicas have the store back', () => one.isReady() && two.isReady(), 10_000)
  for (const replica of [one, two]) {
    // Copies go when messages are heard again.
    await until('the store says that there is no session', async () => (await cast.unseen.visit(world.at(replica, '/x'))).status === 302)
  }
  t.equal((await (await world.signIn()).fetch(world.at(two, '/x'))).status, 200)
})
