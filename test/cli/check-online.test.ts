/**
 * This file runs `scopegate check --online` as an operator does, against everything that a gateway reaches: what is in order,
 * what is not, and that nothing but looking is done there.
 */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createAuthority, keepPem } from '../support/certificates.ts'
import { configOf, startEntra } from '../support/gateway.ts'
import { start, writeConfig } from '../support/process.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const redis = await startRedis(t, { password: 'w0rd-of-redis' })
const authority = createAuthority()
const app = await startUpstream(t, { answer (_request, response) { response.writeHead(404).end('no') } })
const orders = await startUpstream(t, { tls: authority.issue(['127.0.0.1']) })

const parts = {
  emulator: entra,
  upstreams: {
    app: { url: `${app.origin}/base/` },
    orders: { url: orders.origin, caFile: keepPem(t, authority.pem), scopes: ['api://orders/Orders.Read'] }
  },
  routes: [{ path: '/*', upstream: 'app' }, { path: '/api/*', upstream: 'orders' }],
  store: { type: 'redis', redis: { url: `redis://:w0rd-of-redis@127.0.0.1:${redis.port}`, keyPrefix: 'mine' } },
  keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
}

t.test('everything in reach: a line each, 0, and nothing has changed anywhere', async t => {
  const before = entra.requests().length
  const file = writeConfig(t, configOf(parts, 8080))
  const { code, out, err } = await start(t, ['check', '--online', '--config', file]).ended
  t.equal(err, '')
  t.same(out.split('\n'), [
    `${file} is fine: 2 routes, 2 upstreams, 1 scope set`,
    `ok       provider ${entra.origin}/11111111-1111-4111-8111-111111111111: its endpoints and signing keys are known`,
    'ok       credential ClientSecret: loads, and the provider takes it',
    `ok       store redis at 127.0.0.1:${redis.port}: takes, keeps and deletes records, and passes messages`,
    `ok       upstream app at ${app.origin}: answers 404 to HEAD /base/`,
    `ok       upstream orders at ${orders.origin}: answers 200 to HEAD /`,
    ''
  ])
  t.equal(code, 0)
  t.notMatch(out, /gw-secret|w0rd-of-redis/)
  t.equal(await redis.cli('dbsize'), '0', 'no record stays')
  for (const { seen } of [app, orders]) {
    t.same(seen.map(({ method, body }) => ({ method, body })), [{ method: 'HEAD', body: '' }])
    t.same(seen.flatMap(({ headers }) => Object.keys(headers)).filter(name => !['host', 'connection'].includes(name)), [], 'nothing of anybody')
  }
  const asked = entra.requests(before).filter(({ method }) => method === 'POST').map(({ parameters }) => parameters)
  t.match(asked, [{ grant_type: 'client_credentials', scope: '22222222-2222-4222-8222-222222222222/.default' }], 'one token, good for nothing')
})

t.test('what is wrong is on standard error with what to mend, and ends with 1; the rest is told all the same', async t => {
  const upstreams = { ...parts.upstreams, away: { url: 'http://127.0.0.1:1' } }
  const store = { type: 'redis', redis: { url: `redis://:wrong@127.0.0.1:${redis.port}` } }
  const file = writeConfig(t, configOf({ ...parts, upstreams, store }, 8080))
  const { code, out, err } = await start(t, ['check', '--online', '--config', file]).ended
  t.equal(code, 1)
  t.same(err.split('\n'), [
    `failed   store redis at 127.0.0.1:${redis.port}: it refuses the user name or password: mend them in the store's settings`,
    'failed   upstream away at http://127.0.0.1:1: nobody listens at 127.0.0.1:1: is it running, and is this its port?',
    '2 targets failed',
    ''
  ])
  t.match(out, 'upstream orders')
  const { out: json, code: same } = await start(t, ['check', '--online', '--json', '--config', file]).ended
  t.equal(same, 1)
  const { problems, targets } = JSON.parse(json)
  t.same(problems, [])
  t.same(targets.map(({ outcome }: { outcome: string }) => outcome), ['ok', 'ok', 'failed', 'ok', 'ok', 'failed'])
})

t.test('a config with problems is not tried out', async t => {
  const file = writeConfig(t, configOf({ ...parts, routes: [{ path: '/*', upstream: 'none' }] }, 8080))
  const before = entra.requests().length
  const { code, out } = await start(t, ['check', '--online', '--json', '--config', file]).ended
  t.equal(code, 1)
  t.match(JSON.parse(out), { file, problems: [{ line: Number, column: Number, message: /none/ }], targets: [] })
  t.equal(entra.requests(before).length, 0)
})
