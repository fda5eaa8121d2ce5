/**
 * This file takes replicas away under load, behind a load balancer: one that is killed loses what it was doing and nothing
 * else, and a rolling replacement of both loses nothing.
 */
import { Agent, get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Balancer, startBalancer } from '../support/balancer.ts'
import { build } from '../support/build.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/redis.ts'
import { type Api, apis, type ReplicaProcess, startReplica, startWorld, type TestUser, users, type World } from '../support/replicas.ts'

t.before(build)

/** One request that got an answer, or an error instead. */
interface Result {
  /** On the clock of `performance`. */
  readonly begunAt: number
  readonly error: string | undefined
  /** Of the client's side of its connection. */
  readonly localPort: number | undefined
}

interface Load {
  readonly results: readonly Result[]
  /** Waits for so many more results. */
  further (count: number): Promise<void>
  /** Waits for everything that is under way. */
  end (): Promise<void>
}

interface Bench {
  readonly world: World
  readonly balancer: Balancer
  readonly replicas: readonly [ReplicaProcess, ReplicaProcess]
  readonly load: Load
}

const clients = 24
const maxPauseMs = 20

async function start (t: Test): Promise<Bench> {
  const publicPort = await freePort()
  const world = await startWorld(t, { refreshReuse: 'revoke', publicPort })
  const replicas = await Promise.all([startReplica(t, world), startReplica(t, world)]) as [ReplicaProcess, ReplicaProcess]
  const balancer = await startBalancer(t, publicPort)
  for (const replica of replicas) balancer.add(replica)
  await until('both replicas in service', () => replicas.every(balancer.isIn))
  return { world, balancer, replicas, load: await startLoad(t, world) }
}

/** Clients with one kept-alive connection each, which ask again and again, for all APIs in turn. */
async function startLoad (t: Test, world: World): Promise<Load> {
  const results: Result[] = []
  const state = { isOn: true }
  t.teardown(() => { state.isOn = false })
  const signedIn = await Promise.all(users.slice(0, 4).map(async user => {
    const browser = await world.signIn(user, world.publicUrl)
    return { user, cookie: `scopegate=${browser.cookies(world.publicUrl).get('scopegate')}` }
  }))

  async function ask (number: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.teardown(() => { agent.destroy() })
    const { user, cookie } = signedIn[number % signedIn.length]!
    for (let i = number; state.isOn; i++) {
      results.push(await one({ world, agent, user, cookie, api: apis[i % apis.length]! }))
      await delay(Math.random() * maxPauseMs)
    }
  }

  const asking = Promise.all(Array.from({ length: clients }, async (_, i) => { await ask(i) }))
  return {
    results,
    async further (count) {
      const enough = results.length + count
      await until(`${count} more results`, () => results.length >= enough, 60_000)
    },
    async end () {
      state.isOn = false
      await asking
    }
  }
}

interface Ask {
  readonly world: World
  readonly agent: Agent
  readonly user: TestUser
  readonly cookie: string
  readonly api: Api
}

async function one ({ world, agent, user, cookie, api }: Ask): Promise<Result> {
  const begunAt = performance.now()
  let localPort: number | undefined
  const answer = new Promise<string>((resolve, reject) => {
    const request = get(`${world.publicUrl}/${api.name}/x`, { agent, headers: { cookie } }, response => {
      let text = ''
      response.on('data', chunk => { text += chunk })
      response.on('end', () => { resolve(`${response.statusCode} ${text}`) })
      response.on('error', reject)
    })
    request.on('socket', socket => { localPort = socket.localPort ?? localPort })
    request.on('finish', () => { localPort = request.socket?.localPort ?? localPort })
    request.on('error', reject)
  })
  const error = await answer.then(async text => {
    if (!text.startsWith('200 ')) throw new Error(text)
    await world.verify(text.slice(4), user, api)
  }).then(() => undefined, String)
  return { begunAt, error, localPort }
}

t.test('a replica that is killed under load loses what was under way in it, and nothing else', async t => {
  const { balancer, replicas: [killed, left], load } = await start(t)
  await load.further(400)
  t.same(load.results.filter(({ error }) => error !== undefined), [])

  const there = balancer.openTo(killed)
  const before = balancer.clientsOf(killed).size
  killed.child.kill('SIGKILL')
  await killed.ended
  await until('the clients to know', () => balancer.openTo(killed) === 0)
  await delay(100)
  const goneAt = performance.now()
  await load.further(600)
  await load.end()

  const failed = load.results.filter(({ error }) => error !== undefined)
  // A process that is dying takes connections for a moment more.
  const late = balancer.clientsOf(killed).size - before
  t.comment(`${failed.length} of ${load.results.length} requests lost; ${there} connections were there, ${late} came while it died`)
  t.ok(there > 0)
  t.same(failed.filter(({ localPort }) => !balancer.clientsOf(killed).has(localPort!)), [], 'only over connections that led there')
  t.ok(failed.length <= there + late, 'each of them lost one request at most')
  t.same(failed.filter(({ begunAt }) => begunAt > goneAt), [], 'and none of what came later')
  t.ok(load.results.slice(-50).every(({ localPort }) => balancer.clientsOf(left).has(localPort!)), 'which the other one answered')
})

t.test('a rolling replacement of both replicas under load loses no request', async t => {
  const { world, balancer, replicas, load } = await start(t)
  await load.further(200)
  const replacements: ReplicaProcess[] = []
  for (const old of replicas) {
    const signalledAt = performance.now()
    old.child.kill('SIGTERM')
    const replacement = await startReplica(t, world)
    balancer.add(replacement)
    replacements.push(replacement)
    t.equal((await old.ended).code, 0)
    t.comment(`ended after ${Math.round(performance.now() - signalledAt)} ms`)
    balancer.remove(old)
    await until('the replacement in service', () => balancer.isIn(replacement))
    await load.further(100)
  }
  await load.end()
  t.comment(`${load.results.length} requests`)
  const isByReplacement = ({ localPort }: Result): boolean => replacements.some(one => balancer.clientsOf(one).has(localPort!))
  t.ok(load.results.slice(-50).every(isByReplacement), 'the replacements serve')
  t.same(load.results.filter(({ error }) => error !== undefined).slice(0, 5), [], 'nothing is lost')
})
