/** This file measures WebSockets: messages of 1 KB that come back, over connections that stay open. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { EchoResult, EchoSettings } from '../echo.ts'
import { moduleCommand } from '../processes.ts'
import { type Contender, median, ratioOf, takeTurns } from '../rounds.ts'
import type { Request } from '../load.ts'
import { anonymous, requestOf, type World } from '../world.ts'
import type { Plan, Scenario } from './scenario.ts'

interface Echoes {
  readonly name: string
  readonly port: number
  readonly request: Request
  readonly origin: string
}

function echoes ({ machine }: World, { seconds }: Plan, { name, port, request, origin }: Echoes): Contender<EchoResult> {
  const { path, headers } = request
  const settings: EchoSettings = { url: `ws://127.0.0.1:${port}${path}`, headers: { ...headers, origin, host: 'localhost' }, seconds }
  return {
    name,
    async measure () {
      const [program, ...args] = machine.pin('load', moduleCommand('echo.js', JSON.stringify(settings))) as [string, ...string[]]
      return JSON.parse((await promisify(execFile)(program, args)).stdout) as EchoResult
    }
  }
}

export const webSocket: Scenario = {
  name: 'websocket',
  about: 'WebSocket messages of 1 KB, echoed',
  async run (world, plan) {
    const [session] = await world.signIn(1)
    const [path, origin] = ['/live/x', world.publicUrl]
    const rounds = await takeTurns([
      echoes(world, plan, { name: 'raw Node tunnel', port: world.rawProxy.port, request: anonymous(session!, { path }), origin }),
      echoes(world, plan, { name: 'signed in', port: world.gateway.port, request: requestOf(session!, { path }), origin })
    ], plan.rounds)
    const rates = (name: string): number[] => rounds[name]!.map(({ perSecond }) => perSecond)
    return {
      rows: [{ scenario: 'websocket', what: 'signed in / raw Node tunnel', value: ratioOf(rates('signed in'), rates('raw Node tunnel')), unit: 'x' }],
      figures: Object.keys(rounds).map(who => ({ scenario: 'websocket', who, perSecond: median(rates(who)) }))
    }
  }
}
