/** This file measures what grows: routes, scope sets, and sessions. */
import { apis } from '../directory.ts'
import type { Findings } from '../result.ts'
import { type Contender, ratioOf, takeTurns } from '../rounds.ts'
import type { Sample } from '../load.ts'
import { requestOf, type World } from '../world.ts'
import { figuresOf, loaded, type Plan, rates, type Scenario } from './scenario.ts'

interface Growth {
  readonly name: string
  readonly few: Contender<Sample>
  readonly many: Contender<Sample>
  readonly bar: { readonly atLeast: number, readonly stretch: number }
}

async function compare ({ name, few, many, bar }: Growth, plan: Plan): Promise<Findings> {
  const rounds = await takeTurns([few, many], plan.rounds)
  const value = ratioOf(rates(rounds[many.name]!), rates(rounds[few.name]!))
  return { rows: [{ scenario: name, what: `${many.name} / ${few.name}`, value, unit: 'x', bar }], figures: figuresOf(name, rounds) }
}

/** The gateway of all other scenarios has about fifty routes; this one has a thousand more, and is asked for those. */
export const routes: Scenario = {
  name: 'routes',
  about: 'GET, 1 KB, with few and with many routes',
  async run (world, plan) {
    const [session] = await world.signIn(1)
    const [few, many] = [await world.another({ moreRoutes: 10 }), await world.another({ moreRoutes: 1000 })]
    const requests = (count: number) => Array.from({ length: count }, (_, i) => requestOf(session!, { path: `/teams/team-${i}/x` }))
    return await compare({
      name: 'routes',
      few: loaded(world, plan, { name: '10 routes', port: few.port, requests: requests(10) }),
      many: loaded(world, plan, { name: '1,000 routes', port: many.port, requests: requests(1000) }),
      bar: { atLeast: 0.97, stretch: 1 }
    }, plan)
  }
}

export const scopeSets: Scenario = {
  name: 'scope-sets',
  about: 'GET, 1 KB, for one API and for fifty',
  async run (world, plan) {
    const [session] = await world.signIn(1)
    const requests = (count: number) => apis.slice(0, count).map((api, i) => requestOf(session!, { path: `/apis/${i}/x` }, api))
    const { port } = world.gateway
    return await compare({
      name: 'scope-sets',
      few: loaded(world, plan, { name: '1 scope set', port, requests: requests(1) }),
      many: loaded(world, plan, { name: '50 scope sets', port, requests: requests(50) }),
      bar: { atLeast: 0.95, stretch: 1 }
    }, plan)
  }
}

/** Requests a second that the slowest machine answers of sessions which it meets for the first time. */
const firstMeetings = 500

/** Every request is of another session, chosen at random: nothing of the processor's caches helps. */
export const sessions: Scenario = {
  name: 'sessions',
  about: 'GET, 1 KB, of few and of many sessions in random order',
  async run (world: World, plan) {
    const all = await world.signIn(plan.sessions)
    const requests = all.map(session => requestOf(session))
    const { port } = world.gateway
    const everybody = { name: `${plan.sessions.toLocaleString('en')} sessions`, port, requests }
    // Sessions in use, not sessions that come back: nearly every one has been met before it counts.
    await loaded(world, { ...plan, seconds: Math.ceil(plan.sessions / firstMeetings) }, everybody).measure()
    return await compare({
      name: 'sessions',
      few: loaded(world, plan, { name: '100 sessions', port, requests: requests.slice(0, 100) }),
      many: loaded(world, plan, everybody),
      bar: { atLeast: 0.8, stretch: 0.95 }
    }, plan)
  }
}
