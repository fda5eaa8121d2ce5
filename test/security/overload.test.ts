/**
 * C13.3, C8.7, C8.8, M8: what is too much is turned away early, and what comes after it is served. The program runs as a
 * process here: a process that stands still, and one with few descriptors.
 */
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { configOf, type GatewayParts, startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { serving, writeConfig } from '../support/process.ts'
import { connectRaw, exchange, rawRequest, type RawConnection } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { eventually } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const app = await startUpstream(t)
const managementPort = await freePort()

async function run (t: Test, parts: Partial<GatewayParts>, wrapper: readonly string[] = []) {
  const port = await freePort()
  const routes = [{ path: '/*', upstream: 'app', access: 'public' }]
  const config = configOf({ upstreams: { app: { url: app.origin } }, routes, ...parts }, port)
  const running = await serving(t, writeConfig(t, config), {}, wrapper)
  return { ...running, port }
}

async function answeredStatus (t: Test, port: number): Promise<number | undefined> {
  return await exchange(t, port, { target: '/x' }, { deadlineMs: 5000 }).then(({ status }) => status, () => undefined)
}

t.test('C13.3 after a process stood still new requests get 503 at once, it stays live, and it recovers', async t => {
  const { child, port, out } = await run(t, {
    server: { limits: { maxStallSeconds: 1 }, management: { host: '127.0.0.1', port: managementPort } }
  })
  t.equal(await answeredStatus(t, port), 200)
  const before = app.seen.length
  child.kill('SIGSTOP')
  const waiting = Promise.all(Array.from({ length: 20 }, async () => {
    const connection = await connectRaw(t, port)
    connection.send(rawRequest({ target: '/stalled' }))
    return await connection.answer({ deadlineMs: 20_000 })
  }))
  await delay(2000)
  child.kill('SIGCONT')
  const answers = await waiting
  const shed = answers.filter(answer => answer?.status === 503)
  t.ok(shed.length >= 15, `${shed.length} of 20 are turned away`)
  t.ok(answers.every(answer => answer?.status === 503 || answer?.status === 200))
  t.ok(shed.every(answer => answer?.header('scopegate-error') === 'SG_OVERLOADED' && answer.header('retry-after') === '1'))
  t.equal(app.seen.length - before, 20 - shed.length, 'the upstream had the others only')
  t.equal((await exchange(t, managementPort, { target: '/livez' })).status, 200, 'it is live')
  t.ok(await eventually(() => out().includes('"stall-over"'), 10_000), 'it says that it is over')
  t.equal(await answeredStatus(t, port), 200, 'and serves')
  t.match(out(), /"event":"stalled","ms":\d{4}/)
})

t.test('a process that stood still for less turns nobody away', async t => {
  const { child, port, out } = await run(t, { server: { limits: { maxStallSeconds: 60 } } })
  child.kill('SIGSTOP')
  const waiting = exchange(t, port, { target: '/x' }, { deadlineMs: 20_000 })
  await delay(1500)
  child.kill('SIGCONT')
  t.equal((await waiting).status, 200)
  t.notMatch(out(), /stalled/)
})

t.test('C8.7 idle connections beyond the cap are closed at once, are told of once, and room comes back', async t => {
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app', access: 'public' }],
    server: { limits: { maxConnections: 500, headersTimeoutSeconds: 12, requestTimeoutSeconds: 12 } }
  })
  const first = await connectRaw(t, gateway.port)
  const idle: RawConnection[] = []
  // Not more at a time than the system queues: beyond, it is the system that turns away.
  for (let i = 0; i < 20; i++) {
    idle.push(...await Promise.all(Array.from({ length: 100 }, async () => await connectRaw(t, gateway.port))))
  }
  const isClosed = (connection: RawConnection): boolean => connection.socket.readableEnded || connection.socket.destroyed
  for (const { socket } of idle) socket.resume()
  t.ok(await eventually(() => idle.filter(isClosed).length >= 1501, 5000), `${idle.filter(isClosed).length} are closed`)
  first.send(rawRequest({ target: '/x' }))
  t.equal((await first.answer())?.status, 200, 'who was there before is served')
  t.ok((gateway.logged().match(/connections-refused/g) ?? []).length <= 2, 'not a line for each')
  t.match(gateway.logged(), /"event":"connections-refused","maxConnections":500/)
  t.ok(await eventually(() => idle.every(isClosed), 30_000), 'those that say nothing are cut')
  t.equal(await answeredStatus(t, gateway.port), 200)
})

t.test('C8.8 a process without descriptors turns away or waits, answers nothing wrong, and recovers', async t => {
  const silent = await startRawUpstream(t, () => {})
  const { port } = await run(t, {
    upstreams: { app: { url: app.origin }, silent: { url: silent.origin } },
    routes: [{ path: '/silent/*', upstream: 'silent', access: 'public' }, { path: '/*', upstream: 'app', access: 'public' }]
  }, ['/bin/sh', '-c', 'ulimit -n 256; exec "$0" "$@"'])
  t.equal(await answeredStatus(t, port), 200)
  const held = await Promise.all(Array.from({ length: 400 }, async () => await connectRaw(t, port).catch(() => undefined)))
  for (const connection of held) connection?.send(rawRequest({ target: '/silent/x' }))
  const answered = await Promise.all(held.map(async connection => await connection?.answer({ deadlineMs: 3000 })))
  const answers = answered.filter(answer => answer !== undefined)
  t.strictSame(answers.filter(({ status }) => status !== 503).map(({ status }) => status), [], 'only 503')
  t.ok(answers.length > 0, 'some are told')
  t.ok(answers.every(answer => answer.header('scopegate-error') === 'SG_OVERLOADED' && Number(answer.header('retry-after')) >= 1))
  for (const connection of held) connection?.socket.destroy()
  let status: number | undefined
  for (let i = 0; i < 50 && status !== 200; i++) {
    status = await answeredStatus(t, port)
    await delay(100)
  }
  t.equal(status, 200, 'it serves again')
})

t.test('a dead upstream slows nobody else', async t => {
  const silent = await startRawUpstream(t, () => {})
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin }, silent: { url: silent.origin } },
    routes: [{ path: '/silent/*', upstream: 'silent', access: 'public' }, { path: '/*', upstream: 'app', access: 'public' }]
  })
  const connection = await connectRaw(t, gateway.port)
  async function hundred (): Promise<number> {
    const started = performance.now()
    for (let i = 0; i < 100; i++) {
      connection.send(rawRequest({ target: '/x' }))
      t.equal((await connection.answer({ deadlineMs: 10_000 }))?.status, 200)
    }
    return performance.now() - started
  }
  await hundred()
  const alone = await hundred()
  const stuck = await Promise.all(Array.from({ length: 384 }, async () => await connectRaw(t, gateway.port)))
  for (const one of stuck) one.send(rawRequest({ target: '/silent/x' }))
  t.ok(await eventually(() => silent.requests.length === 128, 5000), 'its pool is full')
  const beside = await hundred()
  t.ok(beside < 10 * alone + 1000, `${Math.round(beside)} ms beside it, ${Math.round(alone)} ms alone`)
  for (const one of stuck) one.socket.destroy()
})
