/** This file has `check --online` look at stores that are not as they should be: each is told with what to mend. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createAuthority, keepPem } from '../support/certificates.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startEntra } from '../support/gateway.ts'
import { startCluster, startRedis, startSentinels } from '../support/redis.ts'
import { lookOnline } from './support.ts'

const emulator = await startEntra(t)
const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]

async function look (t: Test, store: Record<string, unknown>, deadlineMs?: number) {
  const { code, finding } = await lookOnline(t, { emulator, keys, store }, deadlineMs)
  const found = finding('store ')
  t.equal(code, found.outcome === 'failed' ? 1 : 0)
  return found
}

const redisAt = (url: string, more: object = {}) => ({ type: 'redis', redis: { url, ...more } })

t.test('memory needs nothing', async t => {
  t.match(await look(t, { type: 'memory' }), { outcome: 'ok' })
})

t.test('a Redis that lets nobody in, or not everywhere', async t => {
  const { port, cli } = await startRedis(t, { password: 'w0rd' })
  const url = `redis://127.0.0.1:${port}`
  t.match(await look(t, redisAt('redis://127.0.0.1:1')), { outcome: 'failed', text: 'nobody listens at 127.0.0.1:1' })
  t.match(await look(t, redisAt(url)), { outcome: 'failed', text: 'it wants a password: set store.redis.password' })
  t.match(await look(t, redisAt(url, { password: 'wr0ng' })), { outcome: 'failed', text: 'it refuses the user name or password' })
  t.match(await look(t, redisAt(url, { password: 'w0rd' })), { outcome: 'ok' })
  const commands = '+get +set +unlink +del +eval +getrange +sadd +srem +scard +smembers +pttl +pexpire +publish +subscribe +ping +hello +auth'.split(' ')
  await cli('acl', 'setuser', 'gateway', 'on', '>w0rd', '~scopegate:*', '&scopegate:*', ...commands)
  const asUser = async (keyPrefix: string) => await look(t, redisAt(url, { username: 'gateway', password: 'w0rd', keyPrefix }))
  t.match(await asUser('scopegate'), { outcome: 'ok' }, 'what docs/redis.md says is enough')
  t.match(await asUser('other'), { outcome: 'failed', text: 'its user may not do all that the gateway needs' })
  await cli('acl', 'setuser', 'gateway', 'resetchannels')
  t.match(await asUser('scopegate'), { outcome: 'failed', text: 'its user may not do all that the gateway needs' }, 'messages count')
  await cli('acl', 'setuser', 'gateway', '&scopegate:*', '-eval')
  t.match(await asUser('scopegate'), { outcome: 'failed', text: 'its user may not do all that the gateway needs' }, 'scripts count')
})

t.test('a Redis that takes no writes, or throws records away', async t => {
  const { master, replica } = await startSentinels(t)
  t.match(await look(t, redisAt(`redis://127.0.0.1:${replica.port}`)), { outcome: 'failed', text: 'name the master, or the Sentinels that know it' })
  const url = `redis://127.0.0.1:${master.port}`
  await master.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru')
  t.match(await look(t, redisAt(url)), { outcome: 'warning', text: /throws sessions away .* \(allkeys-lru\): set maxmemory-policy noeviction/ })
  await master.cli('config', 'set', 'maxmemory-policy', 'noeviction')
  await master.cli('config', 'set', 'maxmemory', '1')
  t.match(await look(t, redisAt(url)), { outcome: 'failed', text: 'its memory is full: raise maxmemory' })
})

t.test('a Redis that hangs is not waited for', async t => {
  const redis = await startRedis(t)
  const { port, set } = await startFaultProxy(t, redis.port)
  set({ kind: 'blackhole' })
  t.match(await look(t, redisAt(`redis://127.0.0.1:${port}`), 3000), { outcome: 'failed', text: `127.0.0.1:${port} does not answer` })
  redis.stop()
  t.teardown(() => { redis.resume() })
  t.match(await look(t, redisAt(`redis://127.0.0.1:${redis.port}`), 3000), { outcome: 'failed', text: `127.0.0.1:${redis.port} does not answer` })
})

t.test('TLS to Redis', async t => {
  const authority = createAuthority()
  const caFile = keepPem(t, authority.pem)
  const { port } = await startRedis(t, { authority })
  t.match(await look(t, redisAt(`rediss://127.0.0.1:${port}`, { tls: { caFile } })), { outcome: 'ok' })
  t.match(await look(t, redisAt(`rediss://127.0.0.1:${port}`)), { outcome: 'failed', text: 'set store.redis.tls.caFile' })
  t.match(await look(t, redisAt(`rediss://127.0.0.1:${port}`, { tls: { caFile, serverName: 'other.example' } })),
    { outcome: 'failed', text: /its certificate is for another name than 127\.0\.0\.1:\d+: .* set store\.redis\.tls\.serverName/ })
  t.match(await look(t, redisAt(`redis://127.0.0.1:${port}`)), { outcome: 'failed', text: 'should the URL begin with rediss:?' })
  const { port: plain } = await startRedis(t)
  t.match(await look(t, redisAt(`rediss://127.0.0.1:${plain}`), 3000), { outcome: 'failed', text: /does not (?:speak TLS|answer)|closed the connection/ })
})

t.test('Sentinels and a Cluster', async t => {
  const { sentinels, masterName } = await startSentinels(t)
  const addresses = (servers: ReadonlyArray<{ port: number }>) => servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  const bySentinel = { sentinels: addresses(sentinels), masterName }
  t.match(await look(t, { type: 'redis', redis: bySentinel }), { outcome: 'ok' })
  t.match(await look(t, { type: 'redis', redis: { ...bySentinel, masterName: 'nobody' } }), { outcome: 'failed', text: 'mend store.redis.masterName' })
  const nodes = await startCluster(t)
  t.match(await look(t, { type: 'redis', redis: { cluster: addresses(nodes.slice(0, 2)) } }), { outcome: 'ok' })
  t.match(await look(t, { type: 'redis', redis: { cluster: [{ host: '127.0.0.1', port: 1 }] } }), { outcome: 'failed', text: 'nobody listens at 127.0.0.1:1' })
})

t.test('a database that is not there', async t => {
  const postgres = { type: 'postgres', postgres: { url: 'postgres://gateway@127.0.0.1:1/gateway' } }
  t.match(await look(t, postgres), { target: 'store postgres at 127.0.0.1:1', outcome: 'failed', text: 'nobody listens at 127.0.0.1:1' })
  const mysql = { type: 'mysql', mysql: { url: 'mysql://gateway@127.0.0.1:1/gateway' } }
  t.match(await look(t, mysql), { target: 'store mysql at 127.0.0.1:1', outcome: 'failed', text: 'nobody listens at 127.0.0.1:1' })
})
