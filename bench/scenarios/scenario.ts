/** This file is what scenarios have in common: how long they measure, and rates of wrk as contenders. */
import { type Request, type Sample, shoot, writeRequests } from '../load.ts'
import type { Findings, Figure } from '../result.ts'
import { type Contender, median, type Rounds } from '../rounds.ts'
import type { World } from '../world.ts'

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  /** How many sessions count as many. */
  readonly sessions: number
}

export interface Scenario {
  readonly name: string
  /** A sentence. */
  readonly about: string
  run (world: World, plan: Plan): Promise<Findings>
}

export interface Target {
  readonly name: string
  readonly port: number
  readonly requests: readonly Request[]
  readonly rate?: number
}

/** Somebody who gets as many requests as it answers, or so many a second. */
export function loaded (world: World, { seconds }: Plan, { name, port, requests, rate }: Target): Contender<Sample> {
  const { machine, cleanup, wrk } = world
  const file = writeRequests(cleanup, requests)
  return {
    name,
    async measure () {
      const sample = await shoot(machine, wrk, { port, file, seconds, rate })
      await world.verify(sample.requests)
      return sample
    }
  }
}

export function figuresOf (scenario: string, rounds: Rounds<Sample>): Figure[] {
  return Object.entries(rounds).map(([who, samples]) => ({
    scenario,
    who,
    perSecond: median(samples.map(({ perSecond }) => perSecond)),
    p50Ms: median(samples.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(samples.map(({ p99Ms }) => p99Ms))
  }))
}

export const rates = (samples: readonly Sample[]): number[] => samples.map(({ perSecond }) => perSecond)
