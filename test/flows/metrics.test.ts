/**
 * This file scrapes a gateway with people in it: what the metrics count is what happened, and nothing in them is about
 * anybody.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startRedis, until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

type Scrape = (sample: string) => number

/** What all samples say, by name and labels as written; 0 for what is not there. */
async function scrape (port: number): Promise<{ of: Scrape, text: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await answer.text()
  const samples = new Map(text.split('\n').filter(line => /^\w/.test(line)).map(line => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]))
  return { of: sample => samples.get(`scopegate_${sample}`) ?? 0, text }
}

async function startWorld (t: Test) {
  const entra = await startEntra(t)
  const [app, live] = await Promise.all([startUpstream(t), startEchoUpstream(t)])
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] }, live: { url: live.origin } },
    routes: [
      { path: '/open/*', upstream: 'app', access: 'public' },
      { path: '/orders/*', upstream: 'orders' },
      { path: '/live/*', upstream: 'live', websocket: true },
      { path: '/*', upstream: 'app' }
    ],
    server: { management: { port: 0 } }
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  return { entra, gateway, browser, scrape: async () => await scrape(gateway.managementPort) }
}

t.test('requests, tokens, sign-ins, ended sessions, store and provider are counted', async t => {
  const { gateway: { url }, browser, scrape } = await startWorld(t)
  await browser.fetch(`${url}/open/x?secret=1`)
  await browser.fetch(`${url}/none`)
  await browser.go(`${url}/orders/1?secret=2`)
  for (let i = 0; i < 3; i++) await browser.fetch(`${url}/orders/${i}`)
  await browser.visit(`${url}/.auth/logout`)
  const { of, text } = await scrape()
  t.equal(of('requests_total{route="/open/*",method="GET",status="200"}'), 1)
  t.equal(of('requests_total{route="/*",method="GET",status="401"}'), 1)
  t.equal(of('requests_total{route="/orders/*",method="GET",status="302"}'), 2, 'no session, then no consent yet')
  t.equal(of('requests_total{route="/orders/*",method="GET",status="200"}'), 4)
  t.equal(of('request_duration_seconds_count{route="/orders/*"}'), 6)
  t.equal(of('overhead_seconds_count'), 5, 'what was forwarded')
  t.equal(of('token_requests_total{source="interactive",outcome="consent_required"}'), 1)
  t.equal(of('token_requests_total{source="interactive",outcome="ok"}'), 2, 'those that sign-ins brought')
  t.equal(of('token_requests_total{source="refresh",outcome="ok"}') + of('token_requests_total{source="cache",outcome="ok"}'), 1, 'the first')
  t.equal(of('token_requests_total{source="ready",outcome="ok"}'), 3, 'those after it')
  t.equal(of('sign_ins_total{outcome="ok"}'), 2)
  t.equal(of('sessions_ended_total{reason="signed-out"}'), 1)
  t.equal(of('provider_request_seconds_count{grant="authorization_code",outcome="ok"}'), 2)
  t.ok(of('store_operation_seconds_count{operation="claim",outcome="ok"}') >= 2)
  t.ok(of('store_operation_seconds_sum{operation="claim",outcome="ok"}') > 0)
  t.match(text, /^process_resident_memory_bytes \d/m, "the process's own are there, too")
  // With its dash: means of times have as many threes in a row.
  for (const secret of ['secret', 'alice', '33333333-3333', 'eyJ']) t.notOk(text.includes(secret), `${secret} is in none of them`)
})

t.test('refusals and faults are counted by what they are', async t => {
  const { gateway: { url }, browser, scrape, entra } = await startWorld(t)
  await browser.visit(`${url}/.auth/callback?state=x&code=y`)
  await browser.visit(`${url}/.auth/callback?state=admin-consent&admin_consent=True`)
  await browser.go(`${url}/x`)
  entra.admin.fault({ endpoint: 'token', times: 5, status: 500, body: 'x' })
  await browser.fetch(`${url}/orders/1`)
  const { of } = await scrape()
  t.equal(of('sign_ins_total{outcome="SG_SIGN_IN_MISMATCH"}'), 1)
  t.equal(of('sign_ins_total{outcome="ok"}'), 1, 'that of a user, and not the consent of an administrator')
  t.equal(of('token_requests_total{source="refresh",outcome="SG_PROVIDER_UNAVAILABLE"}'), 1)
  t.equal(of('provider_request_seconds_count{grant="refresh_token",outcome="sts_unavailable"}'), 1)
})

t.test('a session that the provider ends is counted once, however many requests find out', async t => {
  const { gateway: { url, clock, logged }, browser, scrape, entra } = await startWorld(t)
  await browser.go(`${url}/orders/1`)
  const pass = (seconds: number): void => { for (const one of [clock, entra.admin.clock]) one.advance(seconds) }
  pass(3000)
  t.equal((await browser.fetch(`${url}/x`)).status, 200, 'so that the session outlives its token')
  entra.admin.updateUser('alice@contoso.example', { state: 'disabled' })
  pass(3000)
  await Promise.all(Array.from({ length: 20 }, async (_, i) => await browser.fetch(`${url}/orders/${i}`)))
  t.equal((await scrape()).of('sessions_ended_total{reason="grant-dead"}'), 1)
  t.equal(logged().split('"event":"session-ended"').length - 1, 1)
})

t.test('a store that does not answer shows, also while nobody asks for anything', async t => {
  const redis = await startRedis(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: 'http://127.0.0.1:1' } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { management: { port: 0 } },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  })
  const checks = async (outcome: string): Promise<number> =>
    (await scrape(gateway.managementPort)).of(`store_operation_seconds_count{operation="check",outcome="${outcome}"}`)
  await until('good checks', async () => await checks('ok') >= 2)
  t.equal(await checks('failed'), 0)
  await redis.kill()
  await until('failed checks', async () => await checks('failed') >= 2)
})

t.test('outcomes of reloads are there from the start, so that the first refusal is an increase', async t => {
  const { scrape } = await startWorld(t)
  const { text } = await scrape()
  for (const outcome of ['ok', 'refused']) t.match(text, `scopegate_config_reloads_total{outcome="${outcome}"} 0`)
})

t.test('what is open at the moment is told, and no more when it is over', async t => {
  const { gateway: { url }, browser, scrape } = await startWorld(t)
  await browser.go(`${url}/x`)
  const cookie = `scopegate=${browser.cookies(url).get('scopegate')}`
  const client = await openWebSocket(t, `${url}/live/x`, { cookie, origin: url })
  client.socket.send('x')
  await client.message()
  const during = await scrape()
  t.equal(during.of('websocket_open'), 1)
  t.equal(during.of('upstream_in_flight{upstream="app"}'), 0, 'each upstream is there')
  client.socket.close()
  await client.closed
  await until('none is open', async () => (await scrape()).of('websocket_open') === 0)
})

t.test('names and labels are those of the documentation, and methods that are not usual are one', async t => {
  const { gateway: { url, port }, browser, scrape } = await startWorld(t)
  await browser.go(`${url}/orders/1`)
  await browser.visit(`${url}/.auth/logout`)
  for (const method of ['PROPFIND', 'REPORT', 'M-SEARCH', 'LINK']) await exchange(t, port, { method, target: '/open/x' })
  const [, page = ''] = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8').split(/^## Metrics$/m)
  const documented = new Map([...page.split(/^## /m, 1)[0]!.matchAll(/^\| `([a-z_]+)` \|([a-z, ]*)\| .*\|$/gm)].map(([, name, labels]) =>
    [`scopegate_${name}`, labels!.split(',').map(label => label.trim()).filter(label => label !== '')]))
  const { of, text } = await scrape()
  t.same([...text.matchAll(/^# TYPE (scopegate_\w+)/gm)].map(([, name]) => name).sort(), [...documented.keys()].sort())
  const samples = [...text.matchAll(/^(scopegate_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$/gm)]
  for (const [sample, name, labels = ''] of samples) {
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label).filter(label => label !== 'le')
    t.same(names.sort(), documented.get(name!)?.toSorted(), sample)
  }
  t.ok(new Set(samples.map(([, name]) => name)).size >= 9, 'most of them have samples')
  t.ok(of('requests_total{route="/open/*",method="other",status="200"}') >= 2)
  t.notMatch(text, /PROPFIND|REPORT|SEARCH|LINK/)
})

t.test('however many addresses are asked for, there are no more series', async t => {
  const { gateway: { url }, browser, scrape } = await startWorld(t)
  const series = async (): Promise<number> => (await scrape()).text.split('\n').filter(line => line.startsWith('scopegate_')).length
  await browser.go(`${url}/x`)
  await browser.fetch(`${url}/open/x`)
  await browser.fetch(`${url}/.auth/unknown`)
  const before = await series()
  for (let i = 0; i < 50; i++) await Promise.all([`/open/${i}`, `/${i}`, `/.auth/${i}`].map(async path => await browser.fetch(url + path)))
  t.equal(await series(), before)
})
