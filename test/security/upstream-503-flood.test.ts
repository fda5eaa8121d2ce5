/**
 * X4, C10.3: one backend that answers 503 took the whole stock gateway down: each GET was sent ten times more, and bodies
 * that nobody read pinned their connections.
 */
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { startUpstream } from '../support/upstream.ts'

const healthy = await startUpstream(t)
const failing = await startUpstream(t, {
  answer: (request, response) => {
    response.writeHead(Number(/\d{3}/.exec(request.url ?? '')?.[0] ?? 503), { 'retry-after': '1', 'content-type': 'text/plain' })
    response.end('x'.repeat(200_000))
  }
})
const silent = await startRawUpstream(t, () => {})
const gateway = await startGateway(t, {
  upstreams: { healthy: { url: healthy.origin }, failing: { url: failing.origin }, silent: { url: silent.origin } },
  routes: [
    { path: '/healthy/*', upstream: 'healthy', access: 'public' },
    { path: '/failing/*', upstream: 'failing', access: 'public' },
    { path: '/silent/*', upstream: 'silent', access: 'public' }
  ]
})

t.test('X4, C10.3 every 503 of an upstream is passed on, once', async t => {
  const before = failing.seen.length
  const answers = await Promise.all(Array.from({ length: 200 }, async () => await exchange(t, gateway.port, { target: '/failing/503' }, { deadlineMs: 30_000 })))
  t.ok(answers.every(({ status }) => status === 503))
  t.ok(answers.every(answer => answer.header('retry-after') === '1' && answer.body.length === 200_000), 'with its fields and body')
  t.equal(failing.seen.length - before, 200, 'one hit for one request')
})

t.test('no other answer is repeated either', async t => {
  for (const status of [408, 425, 429, 500, 502, 504]) {
    const before = failing.seen.length
    t.equal((await exchange(t, gateway.port, { target: `/failing/${status}` })).status, status)
    t.equal(failing.seen.length - before, 1)
  }
})

t.test('X4 answers that their clients do not read hold up nobody else', async t => {
  const clients = await Promise.all(Array.from({ length: 150 }, async () => await connectRaw(t, gateway.port)))
  for (const client of clients) {
    client.socket.pause()
    client.send(rawRequest({ target: '/failing/503' }))
  }
  t.equal((await exchange(t, gateway.port, { target: '/healthy/x' })).status, 200)
  for (const client of clients) client.socket.destroy()
})

t.test('an upstream that answers nothing fills its own pool and queue, then 503 with Retry-After', async t => {
  const clients = await Promise.all(Array.from({ length: 420 }, async () => await connectRaw(t, gateway.port)))
  for (const client of clients) client.send(rawRequest({ target: '/silent/x' }))
  const answered = await Promise.all(clients.slice(390).map(async client => await client.answer({ deadlineMs: 4000 })))
  const refused = answered.filter(answer => answer !== undefined)
  t.ok(refused.length >= 10, `${refused.length} are refused at once`)
  t.ok(refused.every(answer => answer.status === 503 && answer.header('scopegate-error') === 'SG_OVERLOADED' && Number(answer.header('retry-after')) >= 1))
  t.equal((await exchange(t, gateway.port, { target: '/healthy/x' })).status, 200, 'other routes go on')
  for (const client of clients) client.socket.destroy()
})
