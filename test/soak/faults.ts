/** This file is what goes wrong during the soak, one after the other. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Fault as ProviderFault } from '../../emulator/admin/faults.ts'
import type { SoakWorld } from './world.ts'

export interface Fault {
  readonly name: string
  /** Does it, and undoes it. */
  readonly happen: (world: SoakWorld, lastsMs: number) => Promise<void>
  /** How long afterwards all has to be well again; default 5 s. */
  readonly recoversWithinMs?: number
  /** Whoever was signed in is not any more. */
  readonly losesSessions?: boolean
}

/** An account is left alone for 1, 2, 4 and then 8 s, a quarter more at most, as long as the provider fails for it. */
const backOffMs = 10_000

type Way = 'toRedis' | 'toApp'

function network (way: Way, fault: Parameters<SoakWorld[Way]['set']>[0]): Fault['happen'] {
  return async (world, lastsMs) => {
    world[way].set(fault)
    await delay(lastsMs)
    world[way].set({ kind: 'pass' })
  }
}

function application (how: 'overloaded' | 'slowly'): Fault['happen'] {
  return async ({ app }, lastsMs) => {
    app.behave(how)
    await delay(lastsMs)
    app.behave('well')
  }
}

function provider (fault: Omit<ProviderFault, 'endpoint' | 'times'>): Fault['happen'] {
  return async ({ entra }, lastsMs) => {
    entra.admin.fault({ endpoint: 'token', times: 10_000, ...fault })
    await delay(lastsMs)
    entra.admin.clearFaults()
  }
}

function reload ({ replicas }: SoakWorld): void {
  for (const { child } of replicas) child.kill('SIGHUP')
}

export const faults: readonly Fault[] = [
  { name: 'Redis is slow', happen: network('toRedis', { kind: 'delay', ms: 20, jitterMs: 30 }) },
  { name: 'the application resets connections', happen: network('toApp', { kind: 'reset' }) },
  { name: 'the provider answers 500', recoversWithinMs: backOffMs, happen: provider({ status: 500, body: 'x' }) },
  { name: 'Redis stands still', happen: async ({ redis }, lastsMs) => { redis.stop(); await delay(lastsMs); redis.resume() } },
  { name: 'the config is loaded again', happen: async (world, lastsMs) => { reload(world); await delay(lastsMs) } },
  { name: 'the application answers 503', happen: application('overloaded') },
  { name: 'the provider is slow', recoversWithinMs: backOffMs, happen: provider({ delayMs: 1500 }) },
  { name: 'Redis resets connections', happen: network('toRedis', { kind: 'reset' }) },
  {
    name: 'the keys of gateway and provider are rotated',
    async happen (world, lastsMs) {
      await world.entra.admin.rotateKeys('normal')
      for (const step of ['add', 'use'] as const) {
        world.rotateRing(step)
        reload(world)
        await delay(lastsMs / 2)
      }
    }
  },
  { name: 'the application is slow', happen: application('slowly') },
  {
    name: 'renewals fail for the moment',
    recoversWithinMs: backOffMs,
    happen: provider({ aadsts: 90033, match: { grant_type: 'refresh_token' } })
  },
  { name: 'nothing comes from Redis', happen: network('toRedis', { kind: 'blackhole' }) },
  { name: 'connections to Redis are dead', happen: network('toRedis', { kind: 'half-open' }) },
  {
    name: 'Redis is killed, and comes back empty',
    losesSessions: true,
    async happen ({ redis }, lastsMs) {
      await redis.kill()
      await delay(lastsMs)
      await redis.restart()
    }
  }
]
