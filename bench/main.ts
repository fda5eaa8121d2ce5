/**
 * This file runs the benchmarks: `npm run bench`. All is on loopback; ratios count, single figures depend on the machine.
 *
 * Options: `--only NAME,NAME`, `--rounds N`, `--seconds N`, `--sessions N`, `--guard` (only what CI watches; ends with 1
 * when a ratio stays far below its bar), `--name NAME` (of the files in bench/results), `--profile` (where the
 * gateway's time goes instead, for GETs, or for `--only` one of download, upload, routes).
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { profileOf } from './profile.ts'
import { tableOf } from './report.ts'
import { type Findings, isMet } from './result.ts'
import { folder, keep, run } from './run.ts'
import { download, upload } from './scenarios/bodies.ts'
import { cost } from './scenarios/cost.ts'
import { get } from './scenarios/get.ts'
import { routes, scopeSets, sessions } from './scenarios/growth.ts'
import { coldReplica, halfLoad } from './scenarios/latency.ts'
import { memory } from './scenarios/memory.ts'
import { providerCalls } from './scenarios/provider-calls.ts'
import type { Plan, Scenario } from './scenarios/scenario.ts'
import { webSocket } from './scenarios/websocket.ts'
import { workers } from './scenarios/workers.ts'
import { createWorld, WrongAtApplication, type World } from './world.ts'

const scenarios: readonly Scenario[] = [
  get, download, upload, cost, halfLoad, coldReplica, routes, scopeSets, providerCalls, webSocket, workers, memory, sessions
]

/** What CI watches. Its machines are shared, and noise never makes a gateway faster: one good attempt is enough. */
const guarded: readonly Scenario[] = [get, upload]
const guardSlack = 0.6
const guardAttempts = 3

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    sessions: { type: 'string', default: '10000' },
    guard: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    name: { type: 'string', default: 'latest' }
  }
})
const plan: Plan = {
  rounds: Number(values.rounds ?? (values.guard ? 4 : 5)),
  seconds: Number(values.seconds ?? (values.guard ? 2 : 4)),
  sessions: Number(values.sessions)
}
const wanted = values.only?.split(',')
const chosen = (values.guard ? guarded : scenarios).filter(({ name }) => wanted?.includes(name) ?? true)

await run(async (machine, cleanup) => {
  const world = await createWorld(machine, cleanup)
  if (values.profile) console.log(await profileOf(world, values.only ?? 'get', plan.seconds, join(folder, `${values.name}.cpuprofile`)))
  else if (values.guard) process.exitCode = await holds(world) ? 0 : 1
  else keep(values.name, machine, await runAll(world))
})

async function holds (world: World): Promise<boolean> {
  for (let attempt = 1; attempt <= guardAttempts; attempt++) {
    if (await isGood(world)) return true
  }
  console.log(`below ${guardSlack} of a bar in ${guardAttempts} attempts`)
  return false
}

/** @throws WrongAtApplication; what else fails, on a machine that is too busy, is an attempt that was not good */
async function isGood (world: World): Promise<boolean> {
  try {
    const { rows } = await runAll(world)
    return rows.every(row => isMet(row, guardSlack))
  } catch (error) {
    if (error instanceof WrongAtApplication) throw error
    console.log(String(error))
    return false
  }
}

/** @throws when the application saw a single wrong request */
async function runAll (world: World): Promise<Findings> {
  const all: Findings[] = []
  for (const { name, about, run } of chosen) {
    console.log(`${name}: ${about}`)
    all.push(await run(world, plan))
    await world.verify()
  }
  const findings = { rows: all.flatMap(({ rows }) => rows), figures: all.flatMap(({ figures }) => figures) }
  console.log(`\n${tableOf(findings)}`)
  return findings
}
