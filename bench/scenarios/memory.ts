/** This file measures what a session that is known costs in memory, with one token. */
import { shoot, writeRequests } from '../load.ts'
import { requestOf } from '../world.ts'
import { attachInspector } from '../inspector.ts'
import type { Scenario } from './scenario.ts'

const measured = 2000
/** Sessions that come first: what they make V8 compile is in the heap too, and is no session's. */
const before = 1000

export const memory: Scenario = {
  name: 'memory',
  about: 'live memory of a session with one token',
  async run (world) {
    const { machine, cleanup, wrk } = world
    const gateway = await world.another({ isInspected: true })
    const sessions = await world.signIn(before + measured)
    const use = async (some: typeof sessions): Promise<void> => {
      const file = writeRequests(cleanup, some.map(session => requestOf(session)))
      // So many seconds that random choice leaves nobody out.
      await shoot(machine, wrk, { port: gateway.port, file, seconds: 6 })
    }
    const inspector = await attachInspector(gateway.inspectorPort!)
    await use(sessions.slice(0, before))
    const without = await inspector.liveBytes()
    await use(sessions.slice(before))
    const bytes = await inspector.liveBytes() - without
    inspector.close()
    return {
      rows: [{ scenario: 'memory', what: 'a session with one token', value: bytes / measured / 1024, unit: 'KB', bar: { atMost: 4, stretch: 3 } }],
      figures: []
    }
  }
}
