/**
 * This file measures how much processor time a request takes, at one rate for all: what a gateway adds to a GET, to a long
 * answer and to an upload, and how much of that is the system's.
 */
import type { Sample } from '../load.ts'
import { processorTime } from '../processor.ts'
import type { Figure, Findings } from '../result.ts'
import { type Contender, median, ratioOf, takeTurns } from '../rounds.ts'
import { anonymous, requestOf, type Wish, type World } from '../world.ts'
import { loaded, type Plan, type Scenario, type Target } from './scenario.ts'

interface Cost {
  readonly micros: number
  readonly systemMicros: number
}

/** Far below what any of them can do, so that nobody waits. */
const rate = 1500

const kinds: Readonly<Record<string, Wish>> = { GET: {}, 'GET of 100 KB': { bytes: 100_000 }, 'POST of 10 KB': { sendBytes: 10_240 } }

function costOf (contender: Contender<Sample>, pid: number): Contender<Cost> {
  return {
    name: contender.name,
    async measure () {
      const before = processorTime(pid)
      const { requests } = await contender.measure()
      const after = processorTime(pid)
      const system = after.system - before.system
      return { micros: (after.user - before.user + system) / requests, systemMicros: system / requests }
    }
  }
}

async function compare (world: World, plan: Plan, kind: string, wish: Wish): Promise<Findings> {
  const [session] = await world.signIn(1)
  const contender = (target: Omit<Target, 'rate'>, pid: number) => costOf(loaded(world, plan, { ...target, rate }), pid)
  const { gateway, rawProxy } = world
  const rounds = await takeTurns([
    contender({ name: 'raw Node proxy', port: rawProxy.port, requests: [anonymous(session!, wish)] }, rawProxy.pid),
    contender({ name: 'public route', port: gateway.port, requests: [anonymous(session!, { ...wish, path: '/public/x' })] }, gateway.pid),
    contender({ name: 'signed in', port: gateway.port, requests: [requestOf(session!, wish)] }, gateway.pid)
  ], plan.rounds)
  const micros = (who: string): number[] => rounds[who]!.map(cost => cost.micros)
  return {
    rows: [{ scenario: 'cost', what: `${kind}: signed in / raw Node proxy`, value: ratioOf(micros('signed in'), micros('raw Node proxy')), unit: 'x' }],
    figures: Object.entries(rounds).map(([who, costs]): Figure => ({
      scenario: 'cost',
      who: `${kind}, ${who}`,
      micros: median(costs.map(cost => cost.micros)),
      systemMicros: median(costs.map(cost => cost.systemMicros))
    }))
  }
}

export const cost: Scenario = {
  name: 'cost',
  about: 'processor time of a request, at the same rate for all',
  async run (world, plan) {
    const findings: Findings[] = []
    for (const [kind, wish] of Object.entries(kinds)) findings.push(await compare(world, plan, kind, wish))
    return { rows: findings.flatMap(({ rows }) => rows), figures: findings.flatMap(({ figures }) => figures) }
  }
}
