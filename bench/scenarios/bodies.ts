/** This file measures long answers and uploads. */
import type { Findings } from '../result.ts'
import { ratioOf, takeTurns } from '../rounds.ts'
import { anonymous, requestOf, type Wish, type World } from '../world.ts'
import { figuresOf, loaded, type Plan, rates, type Scenario } from './scenario.ts'

function scenario (name: string, about: string, wish: Wish, bar: { atLeast: number, stretch: number }): Scenario {
  async function run (world: World, plan: Plan): Promise<Findings> {
    const [session] = await world.signIn(1)
    const rounds = await takeTurns([
      loaded(world, plan, { name: 'raw Node proxy', port: world.rawProxy.port, requests: [anonymous(session!, wish)] }),
      loaded(world, plan, { name: 'signed in', port: world.gateway.port, requests: [requestOf(session!, wish)] })
    ], plan.rounds)
    const value = ratioOf(rates(rounds['signed in']!), rates(rounds['raw Node proxy']!))
    return { rows: [{ scenario: name, what: 'signed in / raw Node proxy', value, unit: 'x', bar }], figures: figuresOf(name, rounds) }
  }
  return { name, about, run }
}

export const download = scenario('download', 'GET, 100 KB', { bytes: 100_000 }, { atLeast: 0.95, stretch: 1 })
export const upload = scenario('upload', 'POST of 10 KB, answered with 1 KB', { sendBytes: 10_240 }, { atLeast: 0.85, stretch: 0.95 })
