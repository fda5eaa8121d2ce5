/** This file measures how long users wait: at half load, and for the first request to a replica that does not know them. */
import { performance } from 'node:perf_hooks'
import { Pool } from 'undici'
import { shoot, writeRequests } from '../load.ts'
import { median, takeTurns } from '../rounds.ts'
import type { Session } from '../people.ts'
import { anonymous, requestOf } from '../world.ts'
import { figuresOf, loaded, type Scenario } from './scenario.ts'

export const halfLoad: Scenario = {
  name: 'half-load',
  about: 'GET, 1 KB, at half of what the gateway can do: latency of the slowest percent',
  async run (world, plan) {
    const { machine, cleanup, wrk, gateway, rawProxy } = world
    const [session] = await world.signIn(1)
    const requests = [requestOf(session!)]
    const full = await shoot(machine, wrk, { port: gateway.port, file: writeRequests(cleanup, requests), seconds: plan.seconds })
    const rate = full.perSecond / 2
    const rounds = await takeTurns([
      loaded(world, plan, { name: 'raw Node proxy', port: rawProxy.port, requests: [anonymous(session!)], rate }),
      loaded(world, plan, { name: 'signed in', port: gateway.port, requests, rate })
    ], plan.rounds)
    const more = rounds['signed in']!.map(({ p99Ms }, round) => p99Ms - rounds['raw Node proxy']![round]!.p99Ms)
    return {
      rows: [{ scenario: 'half-load', what: 'p99, more than the raw Node proxy', value: median(more), unit: 'ms', bar: { atMost: 0.5, stretch: 0.2 } }],
      figures: figuresOf('half-load', rounds)
    }
  }
}

const strangers = 100

/** A replica that has served others a while, and gets one request of each session that it does not know. */
export const coldReplica: Scenario = {
  name: 'cold-replica',
  about: 'the first request of a session to a replica, from Redis',
  async run (world) {
    const replica = await world.another({})
    const sessions = await world.signIn(3 * strangers)
    // The code is warm after these; the sessions that follow are not.
    await firstRequests(replica.port, sessions.slice(0, 2 * strangers))
    const ms = await firstRequests(replica.port, sessions.slice(2 * strangers))
    return {
      rows: [{ scenario: 'cold-replica', what: 'p50 of a session\'s first request', value: median(ms), unit: 'ms', bar: { atMost: 3, stretch: 1.5 } }],
      figures: [{ scenario: 'cold-replica', who: 'signed in', p50Ms: median(ms) }]
    }
  }
}

/** One after the other, over one connection. @returns milliseconds */
async function firstRequests (port: number, sessions: readonly Session[]): Promise<number[]> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 1 })
  const taken: number[] = []
  for (const session of sessions) {
    const { path, headers } = requestOf(session)
    const before = performance.now()
    const { statusCode, body } = await pool.request({ path, method: 'GET', headers: { ...headers } })
    await body.dump()
    taken.push(performance.now() - before)
    if (statusCode !== 200) throw new Error(`a first request was answered with ${statusCode}`)
  }
  await pool.destroy()
  return taken
}
