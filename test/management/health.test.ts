/** This file probes the management listener as a kubelet does, and as somebody does who should not. */
import t, { type Test } from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, type RawAnswer, rawRequest } from '../support/raw.ts'
import { startRedis, until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

type RawRequest = NonNullable<Parameters<typeof rawRequest>[0]>

const app = await startUpstream(t)
const catchAll = { upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] }
const management = { port: 0 }
const ring = [{ id: 'k1', key: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=' }]

async function ask (t: Test, port: number, request: RawRequest): Promise<RawAnswer> {
  const connection = await connectRaw(t, port)
  connection.send(rawRequest(request))
  const answer = await connection.answer({ head: request.method === 'HEAD' })
  if (answer === undefined) throw new Error('no answer')
  return answer
}

t.test('a gateway with everything in reach is alive and ready, until it drains', async t => {
  const gateway = await startGateway(t, { ...catchAll, emulator: await startEntra(t), server: { management } })
  const probe = async (target: string) => await ask(t, gateway.managementPort, { target })
  t.match(await probe('/livez'), { status: 200 })
  t.same((await probe('/livez')).json(), { alive: true })
  const ready = await probe('/readyz')
  t.equal(ready.status, 200)
  t.equal(ready.header('cache-control'), 'no-store')
  t.same(ready.json(), { ready: true, checks: { config: true, store: true, signingKeys: true, serving: true } })
  t.equal((await ask(t, gateway.managementPort, { method: 'HEAD', target: '/readyz' })).status, 200)

  gateway.drain()
  const draining = await probe('/readyz')
  t.equal(draining.status, 503)
  t.same(draining.json(), { ready: false, checks: { config: true, store: true, signingKeys: true, serving: false } })
  t.equal((await probe('/livez')).status, 200)
})

t.test('without the provider or the store a gateway is alive and not ready, and says which; it heals by itself', async t => {
  const redis = await startRedis(t)
  const entra = await startEntra(t)
  const store = { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } }
  const lonely = await startGateway(t, { ...catchAll, server: { management } })
  const answer = await ask(t, lonely.managementPort, { target: '/readyz' })
  t.equal(answer.status, 503)
  t.match(answer.json(), { ready: false, checks: { store: true, signingKeys: false } })

  const gateway = await startGateway(t, { ...catchAll, emulator: entra, server: { management }, store, keys: ring })
  const status = async () => (await ask(t, gateway.managementPort, { target: '/readyz' })).status
  t.equal(await status(), 200)
  await redis.kill()
  await until('not ready', async () => await status() === 503)
  t.match((await ask(t, gateway.managementPort, { target: '/readyz' })).json(), { checks: { store: false, signingKeys: true } })
  t.equal((await ask(t, gateway.managementPort, { target: '/livez' })).status, 200)
  await redis.restart()
  await until('ready again', async () => await status() === 200)
})

t.test('C1.16 neither listener has what the other has', async t => {
  const gateway = await startGateway(t, { ...catchAll, server: { management } })
  for (const target of ['/livez', '/readyz', '/metrics', '/sessions?user=x']) {
    const answer = await ask(t, gateway.port, { target })
    t.equal(answer.status, 200)
    t.equal(answer.json().url, target, 'on the public port it is a path of the application like any other')
  }
  const before = app.seen.length
  for (const target of [
    '/', '/x', '/.auth/me', '/.auth/login', '/metrics/', '/sessions', '/sessions/x', '/livez/', '//livez', '/LIVEZ', '/livez/../x', '/x/../livez', '/%zz', '/livez%00',
    'http://localhost/none', `http://127.0.0.1:${gateway.port}/x`, '*'
  ]) {
    const answer = await ask(t, gateway.managementPort, { target })
    t.equal(answer.status, 404, target)
    t.equal(answer.header('content-type'), 'application/problem+json')
    t.match(answer.json(), { code: 'SG_ROUTE_UNKNOWN', status: 404, requestId: /^[\w-]{36}$/ })
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
    t.equal((await ask(t, gateway.managementPort, { method, target: '/livez' })).status, 404, method)
  }
  t.equal(app.seen.length, before)
})

t.test('without the key there is no management listener', async t => {
  const gateway = await startGateway(t, catchAll)
  t.equal(gateway.managementPort, -1)
})

t.test('no body, no large header section and no idle connection is put up with', async t => {
  const gateway = await startGateway(t, { ...catchAll, server: { management } })
  const withBody = await connectRaw(t, gateway.managementPort)
  withBody.send('GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n')
  t.match(await withBody.answer(), { status: 413 })
  t.ok(await withBody.isClosedWithin(5000), 'what follows is not read as a request')
  const large = await ask(t, gateway.managementPort, { target: '/livez', fields: [['X-Large', 'x'.repeat(9000)]] })
  t.equal(large.status, 431)
  const slow = await connectRaw(t, gateway.managementPort)
  slow.send('GET /livez HTTP/1.1\r\nHost: x\r\n')
  t.equal((await slow.answer({ deadlineMs: 20_000 }))?.status, 408)
})

t.test('more connections than probes and administrators need are refused', async t => {
  const gateway = await startGateway(t, { ...catchAll, server: { management } })
  const held = await Promise.all(Array.from({ length: 64 }, async () => await connectRaw(t, gateway.managementPort)))
  for (const connection of held) connection.send(rawRequest({ target: '/livez' }))
  for (const connection of held) t.equal((await connection.answer())?.status, 200)
  const one = await connectRaw(t, gateway.managementPort)
  t.ok(await one.isClosedWithin(5000))
})
