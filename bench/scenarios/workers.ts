/** This file measures whether two processes of a gateway do twice as much as one. */
import { ratioOf, takeTurns } from '../rounds.ts'
import { requestOf } from '../world.ts'
import { figuresOf, loaded, rates, type Scenario } from './scenario.ts'

/** Two for the workers, one for what is behind them, and one for what makes their load. */
const neededProcessors = 4

export const workers: Scenario = {
  name: 'workers',
  about: `GET, 1 KB, with one and with two worker processes; needs ${neededProcessors} processors`,
  async run (world, plan) {
    if (world.machine.cores < neededProcessors) return { rows: [], figures: [] }
    const [one, two] = [await world.another({}), await world.another({ workers: 2 })]
    const [session] = await world.signIn(1)
    const requests = [requestOf(session!)]
    const rounds = await takeTurns([
      loaded(world, plan, { name: '1 worker', port: one.port, requests }),
      loaded(world, plan, { name: '2 workers', port: two.port, requests })
    ], plan.rounds)
    const value = ratioOf(rates(rounds['2 workers']!), rates(rounds['1 worker']!))
    return {
      rows: [{ scenario: 'workers', what: '2 workers / 1', value, unit: 'x', bar: { atLeast: 1.8, stretch: 1.95 } }],
      figures: figuresOf('workers', rounds)
    }
  }
}
