/**
 * This file is the soak: two replicas at half of what they can do, with something going wrong all the time. `npm run soak`
 * runs it; it is no part of `npm test`. SOAK_SECONDS says how long the faults go on (600), SOAK_FAULT_SECONDS how often there
 * is one (20). It prints what it saw and writes it to soak-results.json.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { until } from '../support/redis.ts'
import { descriptors, isOfInspector, residentBytes } from '../support/vitals.ts'
import { type Fault, faults } from './faults.ts'
import { startPeople } from './people.ts'
import { p99, startTraffic, type Traffic } from './traffic.ts'
import { type Replica, startSoakWorld } from './world.ts'

const soakMs = 1000 * Number(process.env.SOAK_SECONDS ?? 600)
const everyMs = 1000 * Number(process.env.SOAK_FAULT_SECONDS ?? 20)
const lastsMs = 6000
/** Copies of a session are believed for 30 s, so the loss of a store is not noticed at once. */
const lossIsNoticedWithinMs = 45_000
const calmMs = 15_000

/**
 * Of a warm replica. The second half of ten minutes at 800 requests per second and replica are 240,000 requests: 4 MiB are 17
 * bytes of each. What lives is exact but for code and connections; resident memory also has the room that V8 keeps.
 */
const maxGrowth = { live: 4 * 2 ** 20, resident: 40 * 2 ** 20 }
/** Three times the calm one, or this where the calm one is next to nothing: a busy machine has pauses of its own. */
const p99Floor = 100

interface Incident {
  readonly fault: Fault
  readonly from: number
  readonly to: number
  /** When the next one begins. */
  readonly next: number
}

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20 * 10) / 10

async function vitals (replicas: readonly Replica[]) {
  return await Promise.all(replicas.map(async ({ child, inspector }) => ({
    live: await inspector.liveBytes(), resident: residentBytes(child.pid!), descriptors: descriptors(child.pid!)
  })))
}

/** Requests per second when nobody holds back, after a time to get warm. */
async function capacity (traffic: Traffic): Promise<number> {
  await delay(calmMs)
  const from = performance.now()
  const before = traffic.samples.length
  await delay(5000)
  return (traffic.samples.length - before) / (performance.now() - from) * 1000
}

async function go (fault: Fault, happen: () => Promise<void>): Promise<Incident> {
  const from = performance.now()
  await happen()
  const to = performance.now()
  await delay(Math.max(0, from + everyMs - to))
  return { fault, from, to, next: performance.now() }
}

/** What one fault did, and whether that was over in time. */
function judge (traffic: Traffic, { fault: { name, recoversWithinMs = 5000 }, from, to, next }: Incident, bound: number) {
  // What was under way when the next one began is that one's.
  const isFailure = (since: number, till: number) => ({ begunAt, ms, failure }: Traffic['samples'][number]): boolean =>
    failure !== undefined && begunAt >= since && begunAt < till && begunAt + ms < next
  const recoveredAt = to + recoversWithinMs
  const after = p99(traffic.samples, recoveredAt, next)
  const late = traffic.samples.filter(isFailure(recoveredAt, next))
  return {
    fault: name,
    requests: traffic.samples.filter(({ begunAt }) => begunAt >= from && begunAt < next).length,
    failed: traffic.samples.filter(isFailure(from, recoveredAt)).length,
    'failed later': late.length,
    'p99 during': Math.round(p99(traffic.samples, from, to)),
    'p99 after': Math.round(after),
    right: after > 0 && after <= bound && late.length === 0,
    failures: [...new Set(traffic.samples.filter(isFailure(from, next)).map(({ failure }) => failure))]
  }
}

/** What the replicas said that they should not have. */
function complaints ({ child, out, err }: Replica): string[] {
  const lines = out().split('\n').filter(line => /SG_INTERNAL|"level":"(?:error|fatal)"|gw-secret|eyJ[\w-]{10,}\./.test(line))
  const said = err().split('\n').filter(line => !isOfInspector(line))
  return [...child.exitCode === null ? [] : [`ended with ${child.exitCode}`], ...lines.slice(0, 5), ...said.slice(0, 20)]
}

t.setTimeout(soakMs + 600_000)

t.test('C13.9 half load and faults, for a while: nobody gets another user\'s token, and nothing is left behind', async t => {
  const world = await startSoakWorld(t)
  const { replicas, app } = world
  const idle = await vitals(replicas)
  const people = startPeople(t, world)
  await people.everyoneIn()
  const traffic = startTraffic(t, world, people)
  const most = await capacity(traffic)
  traffic.setRate(most / 2)
  await delay(3000)
  const calmFrom = performance.now()
  await delay(calmMs)
  const calm = p99(traffic.samples, calmFrom, performance.now())
  const bound = Math.max(3 * calm, p99Floor)
  let [before, warmAt] = [await vitals(replicas), performance.now()]
  console.error(`at most ${Math.round(most)} requests/s; calm p99 at half of that: ${Math.round(calm)} ms`)

  const incidents: Incident[] = []
  const begunAt = performance.now()
  for (let i = 0; performance.now() + everyMs <= begunAt + soakMs; i++) {
    const fault = faults[i % faults.length]!
    // Warm is who has met everything once.
    if (i === faults.length) [before, warmAt] = [await vitals(replicas), performance.now()]
    incidents.push(await go(fault, async () => { await fault.happen(world, lastsMs) }))
    console.error(`${Math.round((performance.now() - begunAt) / 1000)} s: ${JSON.stringify(judge(traffic, incidents.at(-1)!, bound))}`)
  }
  await people.everyoneIn()
  await delay(calmMs)
  const after = await vitals(replicas)
  const hours = (performance.now() - warmAt) / 3_600_000
  people.end()
  await traffic.end()
  await until('no more descriptors than before the first user', () => replicas.every(({ child }, i) =>
    descriptors(child.pid!) <= idle[i]!.descriptors), 150_000).catch(error => { t.fail(String(error)) })
  const ended = await vitals(replicas)

  const verdicts = incidents.map(incident => judge(traffic, incident, bound))
  const memory = replicas.map((_, i) => ({
    'live MiB': `${mib(before[i]!.live)} -> ${mib(after[i]!.live)}`,
    '%/h': Math.round((after[i]!.live / before[i]!.live - 1) * 100 / hours),
    'resident MiB': `${mib(before[i]!.resident)} -> ${mib(after[i]!.resident)}`,
    descriptors: [idle, before, after, ended].map(at => at[i]!.descriptors).join(' -> ')
  }))
  const { samples, lost, counts } = traffic
  const totals = { requests: samples.length, ...people.counts, 'lost sessions': lost.length, ...counts }
  const failedOnTheWay = Object.fromEntries(people.failed)
  console.table(verdicts.map(({ failures, ...row }) => row))
  console.table(memory)
  console.table(totals)
  console.table(failedOnTheWay)
  const measured = { seconds: soakMs / 1000, most, calm, bound, verdicts, memory, totals, failedOnTheWay }
  writeFileSync('soak-results.json', JSON.stringify({ at: new Date().toISOString(), ...measured }, null, 2))

  t.same(traffic.wrongUser.slice(0, 5), [], 'no answer was another user\'s')
  t.same(app.wrong.slice(0, 5), [], 'the application saw a good token for its API in every request')
  t.same(people.undead.slice(0, 5), [], 'no session outlived its sign-out')
  t.same(verdicts.filter(({ right }) => !right), [], 'after each fault all is well again in time')
  const losses = incidents.filter(({ fault }) => fault.losesSessions)
  const isExplained = (at: number): boolean => losses.some(({ from, to }) => at >= from && at <= to + lossIsNoticedWithinMs)
  const unexplained = lost.filter(({ begunAt }) => !isExplained(begunAt))
  t.same(unexplained.slice(0, 5), [], 'no session was lost but by the loss of Redis')
  t.same(replicas.flatMap(complaints), [], 'the processes are there, and had nothing to complain of')
  t.ok(counts.events > 0 && counts.messages > 0 && people.counts.signOuts > 0, 'there were streams, WebSockets and sign-outs')
  for (let i = 0; i < replicas.length; i++) {
    t.ok(after[i]!.live - before[i]!.live < maxGrowth.live, `what lives in replica ${i} does not grow`)
    t.ok(after[i]!.resident - before[i]!.resident < maxGrowth.resident, `replica ${i} does not grow`)
  }
})
