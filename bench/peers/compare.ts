/** This file compares the gateway with its peers: the same requests to each of them, in turns. */
import type { Session } from '../people.ts'
import type { Findings, Row } from '../result.ts'
import { ratioOf, takeTurns } from '../rounds.ts'
import { figuresOf, loaded, type Plan, rates } from '../scenarios/scenario.ts'
import { anonymous, requestOf, type Wish, type World } from '../world.ts'
import type { Bars } from './peer.ts'

/** A peer that runs. */
export interface Rival {
  readonly name: string
  readonly port: number
  readonly bars: Bars
  /** Absent: a bare proxy. */
  readonly session?: Session
}

export interface Field {
  /** At the gateway. */
  readonly ours: Session
  readonly rivals: readonly Rival[]
}

export interface Comparison {
  readonly name: keyof Bars
  /** A sentence. */
  readonly about: string
  readonly wish: Wish
}

export const comparisons: readonly Comparison[] = [
  { name: 'get', about: 'GET, 1 KB', wish: {} },
  { name: 'download', about: 'GET, 100 KB', wish: { bytes: 100_000 } },
  { name: 'upload', about: 'POST of 10 KB, answered with 1 KB', wish: { sendBytes: 10_240 } }
]

const us = 'scopegate'

export async function compare (world: World, plan: Plan, comparison: Comparison, { ours, rivals }: Field): Promise<Findings> {
  const { name: scenario, wish } = comparison
  const contenders = [
    { name: us, port: world.gateway.port, requests: [requestOf(ours, wish)] },
    ...rivals.map(({ name, port, session }) => (
      { name, port, requests: [session === undefined ? anonymous(ours, wish) : requestOf(session, wish)] }
    ))
  ]
  const rounds = await takeTurns(contenders.map(target => loaded(world, plan, target)), plan.rounds)
  const rows = rivals.map(({ name, bars }): Row => {
    const bar = bars[scenario]
    const value = ratioOf(rates(rounds[us]!), rates(rounds[name]!))
    return { scenario, what: `${us} / ${name}`, value, unit: 'x', ...bar === undefined ? {} : { bar } }
  })
  return { rows, figures: figuresOf(scenario, rounds) }
}
