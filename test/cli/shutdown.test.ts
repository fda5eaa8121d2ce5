/**
 * This file ends a busy program as an orchestrator does: probes fail at once, everybody is served for a while, what is under
 * way comes to its end, and streams are told.
 */
import t from 'tap'
import { configOf } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { serving, writeConfig } from '../support/process.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

const begin = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n'

t.test('C13.1 readyz fails at once, what comes is served on, what is under way ends well, streams are told, and it is 0', async t => {
  const app = await startUpstream(t)
  const echo = await startEchoUpstream(t)
  let finish = (): void => {}
  const slow = await startRawUpstream(t, socket => {
    socket.write(begin)
    finish = () => { socket.end('3\r\nend\r\n0\r\n\r\n') }
  })
  const events = await startRawUpstream(t, socket => { socket.write(begin) })
  const [port, managementPort] = [await freePort(), await freePort()]
  const file = writeConfig(t, configOf({
    server: {
      management: { host: '127.0.0.1', port: managementPort },
      limits: { drainDelaySeconds: 8, drainSeconds: 5 }
    },
    upstreams: {
      app: { url: app.origin }, echo: { url: echo.origin }, slow: { url: slow.origin }, events: { url: events.origin }
    },
    routes: [
      { path: '/x', upstream: 'app', access: 'public' },
      { path: '/ws', upstream: 'echo', access: 'public', websocket: true },
      { path: '/slow', upstream: 'slow', access: 'public' },
      { path: '/events', upstream: 'events', access: 'public', streaming: true }
    ]
  }, port))
  const { child, ended, out } = await serving(t, file)
  const probe = async (target: string) => await exchange(t, managementPort, { target })
  const url = `http://localhost:${port}`
  const page = await openWebSocket(t, `${url}/ws`)
  const [answer, stream] = [await connectRaw(t, port), await connectRaw(t, port)]
  answer.send(rawRequest({ target: '/slow', host: `localhost:${port}` }))
  stream.send(rawRequest({ target: '/events', host: `localhost:${port}` }))
  await until('what is under way', () => [answer, stream].every(one => one.rest().includes('begun')))

  const signalledAt = performance.now()
  child.kill('SIGTERM')
  await until('draining', () => out().includes('"draining"'))
  t.match((await probe('/readyz')).json(), { ready: false, checks: { serving: false } })
  t.equal((await probe('/readyz')).status, 503)
  t.equal((await probe('/livez')).status, 200, 'it is not to be killed')
  const late = await exchange(t, port, { target: '/x', host: `localhost:${port}` })
  t.equal(late.status, 200, 'a new connection is served on')
  t.equal(late.header('connection'), 'close')
  page.socket.send('still there')
  t.equal(String(await page.message()), 'still there', 'WebSockets go on, too')

  t.equal(await page.closed, 1001)
  t.ok(performance.now() - signalledAt > 7500, 'not before new requests are refused')
  t.ok(await connectRaw(t, port).then(() => false, () => true), 'nobody is let in any more')
  t.equal((await probe('/readyz')).status, 503, 'and probes are answered to the end')
  t.notOk(answer.rest().includes('\r\n0\r\n'))
  finish()
  t.match(await answer.answer(), { status: 200, isComplete: true })
  t.ok(await stream.isClosedWithin(30_000), 'a stream without an end is cut when the time is over')
  t.equal((await stream.answer({ deadlineMs: 10 }))?.isComplete, false)
  t.equal((await ended).code, 0)
})

t.test('C13.2 a second signal, also of the other kind, ends everything at once with 70', async t => {
  const events = await startRawUpstream(t, socket => { socket.write(begin) })
  for (const [first, second] of [['SIGTERM', 'SIGINT'], ['SIGINT', 'SIGTERM']] as const) {
    const port = await freePort()
    const file = writeConfig(t, configOf({
      server: { limits: { drainDelaySeconds: 300, drainSeconds: 300 } },
      upstreams: { events: { url: events.origin } },
      routes: [{ path: '/events', upstream: 'events', access: 'public', streaming: true }]
    }, port))
    const { child, ended, out } = await serving(t, file)
    const stream = await connectRaw(t, port)
    stream.send(rawRequest({ target: '/events', host: `localhost:${port}` }))
    await until('an event', () => stream.rest().includes('begun'))
    child.kill(first)
    await until('draining', () => out().includes('"draining"'))
    child.kill(second)
    t.equal((await ended).code, 70, `${first}, ${second}`)
    t.ok(await stream.isClosedWithin(10_000))
  }
})
