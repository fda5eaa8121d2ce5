/** This file loses a master of the Cluster of two gateways, while users are there (security.md, C11.4). */
import t from 'tap'
import { startCluster } from '../support/redis.ts'
import { mastersOf, meetFailover } from './failover.ts'
import { startFaultWorld } from './support.ts'

t.test('C11.4 a failover in a Cluster signs nobody in or out', async t => {
  const nodes = await startCluster(t)
  const cluster = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  const world = await startFaultWorld(t, { redis: { cluster }, session: { idleSeconds: 28_000 } })
  const [lost] = await mastersOf(nodes)
  await meetFailover(t, world, nodes, async () => { await lost!.kill() })
})
