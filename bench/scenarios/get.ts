/** This file measures the usual request: a GET of a signed-in user, answered with 1 KB. */
import { ratioOf, takeTurns } from '../rounds.ts'
import { anonymous, requestOf } from '../world.ts'
import { figuresOf, loaded, rates, type Scenario } from './scenario.ts'

export const get: Scenario = {
  name: 'get',
  about: 'GET, 1 KB',
  async run (world, plan) {
    const [session] = await world.signIn(1)
    const signedIn = [requestOf(session!)]
    const bare = [anonymous(session!)]
    const { gateway, rawProxy, stockProxy, nginx } = world
    const rounds = await takeTurns([
      loaded(world, plan, { name: 'raw Node proxy', port: rawProxy.port, requests: bare }),
      loaded(world, plan, { name: 'signed in', port: gateway.port, requests: signedIn }),
      loaded(world, plan, { name: 'public route', port: gateway.port, requests: [anonymous(session!, { path: '/public/x' })] }),
      loaded(world, plan, { name: 'stock http-proxy', port: stockProxy.port, requests: bare }),
      ...nginx === undefined ? [] : [loaded(world, plan, { name: 'nginx, bare', port: nginx.port, requests: bare })]
    ], plan.rounds)
    const of = (name: string): number[] => rates(rounds[name]!)
    const row = (what: string, other: string, bar?: { atLeast: number, stretch: number }) =>
      ({ scenario: 'get', what, value: ratioOf(of('signed in'), of(other)), unit: 'x' as const, ...bar === undefined ? {} : { bar } })
    return {
      rows: [
        row('signed in / raw Node proxy', 'raw Node proxy', { atLeast: 0.82, stretch: 0.92 }),
        row('signed in / stock http-proxy without sign-in', 'stock http-proxy', { atLeast: 1.7, stretch: 2 }),
        row('signed in / public route', 'public route', { atLeast: 0.95, stretch: 0.99 }),
        ...nginx === undefined ? [] : [row('signed in / nginx without sign-in', 'nginx, bare')]
      ],
      figures: figuresOf('get', rounds)
    }
  }
}
