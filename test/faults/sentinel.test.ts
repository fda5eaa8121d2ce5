/** This file loses the master of two gateways behind Sentinels, while users are there (security.md, C11.4). */
import t from 'tap'
import { startSentinels } from '../support/redis.ts'
import { meetFailover } from './failover.ts'
import { startFaultWorld } from './support.ts'

t.test('C11.4 a failover by Sentinels signs nobody in or out', async t => {
  const { master, replica, sentinels, masterName } = await startSentinels(t)
  const addresses = sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
  const world = await startFaultWorld(t, { redis: { sentinels: addresses, masterName }, session: { idleSeconds: 28_000 } })
  await meetFailover(t, world, [master, replica], async () => { await master.kill() })
})
