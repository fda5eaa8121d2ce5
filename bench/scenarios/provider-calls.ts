/** This file counts what the provider is asked when many requests want a token at once that nobody has. */
import { Pool } from 'undici'
import { apis } from '../directory.ts'
import type { Session } from '../people.ts'
import { requestOf } from '../world.ts'
import type { Scenario } from './scenario.ts'

const together = 100
const wanted = [apis.length - 1, apis.length - 2]

export const providerCalls: Scenario = {
  name: 'provider-calls',
  about: `${together} requests at each of two replicas want a token that nobody has`,
  async run (world) {
    const ports = [world.gateway.port, (await world.another({})).port]
    const [session] = await world.signIn(1)
    const before = world.tokenCalls()
    for (const i of wanted) await Promise.all(ports.map(async port => { await all(port, session!, i) }))
    const calls = (world.tokenCalls() - before) / wanted.length
    return {
      rows: [{ scenario: 'provider-calls', what: 'calls for an account and a scope set', value: calls, unit: 'calls', bar: { atLeast: 1, atMost: 1 } }],
      figures: []
    }
  }
}

async function all (port: number, session: Session, api: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: together })
  const { path, headers } = requestOf(session, { path: `/apis/${api}/x` }, apis[api]!)
  await Promise.all(Array.from({ length: together }, async () => {
    const { statusCode, body } = await pool.request({ path, method: 'GET', headers: { ...headers } })
    await body.dump()
    if (statusCode !== 200) throw new Error(`answered with ${statusCode}`)
  }))
  await pool.destroy()
}
