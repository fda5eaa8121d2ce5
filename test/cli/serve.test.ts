/**
 * This file runs the program as an operator does: a process, its exit code, its two outputs, and signals.
 */
import { writeFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { build } from '../support/build.ts'
import { freePort } from '../support/ports.ts'
import { type Ended, folder, serving as startServing, start, type Running } from '../support/process.ts'
import { connectRaw } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

t.before(build)

async function run (t: Test, args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  return await start(t, args, env).ended
}

interface Settings {
  readonly upstream?: string
  readonly drainDelaySeconds?: number
  readonly drainSeconds?: number
}

function configFile (t: Test, port: number, { upstream = 'http://127.0.0.1:1', drainDelaySeconds = 0, drainSeconds = 20 }: Settings = {}): string {
  const file = join(folder(t), 'gateway.yaml')
  writeFileSync(file, `version: 1
server: { host: 127.0.0.1, port: ${port}, publicUrl: "http://localhost:${port}", limits: { drainDelaySeconds: ${drainDelaySeconds}, drainSeconds: ${drainSeconds} } }
entra:
  instance: https://localhost:1/
  tenantId: 11111111-1111-4111-8111-111111111111
  clientId: 22222222-2222-4222-8222-222222222222
  clientCredentials: [{ sourceType: ClientSecret, clientSecret: "\${SECRET}" }]
upstreams: { app: { url: "${upstream}" } }
routes:
  - { path: /public/*, upstream: app, access: public }
  - { path: /*, upstream: app }
`)
  return file
}

const env = { SECRET: 'the-client-secret-of-the-test' }

async function serving (t: Test, file: string): Promise<Running> {
  return await startServing(t, file, env)
}

async function fetch (url: string, agent: Agent): Promise<IncomingMessage & { body: Promise<string> }> {
  return await new Promise((resolve, reject) => {
    get(url, { agent }, response => {
      const body = new Promise<string>((resolve, reject) => {
        let text = ''
        response.on('data', chunk => { text += chunk })
        response.on('end', () => { resolve(text) })
        response.on('error', reject)
      })
      resolve(Object.assign(response, { body }))
    }).on('error', reject)
  })
}

t.test('check is 0 for a good config and 1 for one with problems, each with its place', async t => {
  const good = configFile(t, 8080)
  t.match(await run(t, ['check', '--config', good], env), { code: 0, out: /is fine: 2 routes, 1 upstream, 0 scope sets\n$/, err: '' })
  t.match(await run(t, ['check'], { ...env, SCOPEGATE_CONFIG: good }), { code: 0 }, 'named by the environment')
  const bad = await run(t, ['check', '--config', good])
  t.match(bad, { code: 1, out: '', err: /gateway\.yaml:\d+:\d+ .*SECRET/ })
  t.notMatch(bad.err, 'the-client-secret')
  t.match(await run(t, ['check', '--config', join(folder(t), 'none.yaml')]), { code: 1, err: /none\.yaml:1:1 .*ENOENT/ })
})

t.test('CVE-2026-33433 serve does not start with a config that has problems', async t => {
  const file = configFile(t, await freePort())
  const { code, out, err } = await run(t, ['--config', file])
  t.equal(code, 1)
  t.match(err, /gateway\.yaml:\d+:\d+ /)
  t.equal(out, '')
})

t.test('a port that is taken is 70, said in a sentence', async t => {
  const server = createServer()
  const port = await freePort()
  await new Promise<void>(resolve => { server.listen(port, '127.0.0.1', resolve) })
  t.teardown(() => { server.close() })
  const { code, err } = await run(t, ['serve', '--config', configFile(t, port)], env)
  t.equal(code, 70)
  t.equal(err, `cannot listen on 127.0.0.1:${port}: EADDRINUSE\n`)
})

t.test('an idle gateway ends at once with 0, on SIGTERM and on SIGINT', async t => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const port = await freePort()
    const { child, ended } = await serving(t, configFile(t, port))
    const before = Date.now()
    child.kill(signal)
    const { code, out, err } = await ended
    t.equal(code, 0, signal)
    t.ok(Date.now() - before < 10_000, 'long before the drain time is over')
    t.match(out, `"signal":"${signal}"`)
    t.equal(err, '')
    t.notMatch(out, 'the-client-secret')
  }
})

/** A gateway with one request under way, whose answer the test lets go. */
async function withRequest (t: Test, drainSeconds: number, drainDelaySeconds = 0) {
  let finish: (() => void) | undefined
  const upstream = await startUpstream(t, {
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('begun')
      finish = () => { response.end(' and finished') }
    }
  })
  const port = await freePort()
  const running = await serving(t, configFile(t, port, { upstream: upstream.origin, drainDelaySeconds, drainSeconds }))
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => { agent.destroy() })
  const reply = await fetch(`http://localhost:${port}/public/x`, agent)
  // A connection that breaks is the point of some tests; what it means is read from `body` there.
  reply.body.catch(() => {})
  return { ...running, port, agent, reply, finish: () => { finish?.() } }
}

async function isRefused (t: Test, port: number): Promise<boolean> {
  try {
    const { socket } = await connectRaw(t, port)
    socket.destroy()
    return false
  } catch {
    return true
  }
}

t.test('C13.1 SIGTERM lets a request under way finish, takes no new connection, and then ends with 0', async t => {
  const { child, ended, reply, port, finish, out } = await withRequest(t, 15)
  child.kill('SIGTERM')
  await until('draining', () => out().includes('"draining"'))
  await until('a closed port', async () => await isRefused(t, port))
  await t.rejects(fetch(`http://localhost:${port}/public/y`, new Agent()), { code: 'ECONNREFUSED' })
  t.equal(child.exitCode, null, 'it waits')
  const before = Date.now()
  finish()
  t.equal(await reply.body, 'begun and finished')
  t.equal((await ended).code, 0)
  t.ok(Date.now() - before < 10_000, 'the kept-alive connection of a client that is done holds nothing up')
})

t.test('after SIGTERM everybody is still served for a while, and asked to connect elsewhere', async t => {
  const { child, ended, reply, port, agent, finish, out } = await withRequest(t, 15, 60)
  const before = await fetch(`http://localhost:${port}/elsewhere`, agent)
  t.equal(before.headers.connection, 'keep-alive')
  before.resume()
  child.kill('SIGTERM')
  await until('draining', () => out().includes('"draining"'))
  finish()
  t.equal(await reply.body, 'begun and finished')
  for (const agent of [new Agent(), new Agent({ keepAlive: true })]) {
    const during = await fetch(`http://localhost:${port}/elsewhere`, agent)
    t.equal(during.statusCode, 401, 'a new connection')
    t.equal(during.headers.connection, 'close')
    during.resume()
  }
  t.equal(child.exitCode, null)
  child.kill('SIGTERM')
  t.equal((await ended).code, 70, 'a second signal does not wait for that either')
})

t.test('SIGINT comes from a person, who is not kept waiting', async t => {
  const running = await serving(t, configFile(t, await freePort(), { drainDelaySeconds: 60 }))
  running.child.kill('SIGINT')
  t.equal((await running.ended).code, 0)
})

t.test('X17, C13.1 what is not finished when the drain time is over is cut, and that is still 0', async t => {
  const { child, ended, reply } = await withRequest(t, 1)
  const before = Date.now()
  child.kill('SIGTERM')
  await t.rejects(reply.body, 'the client sees that the rest is missing')
  t.equal((await ended).code, 0)
  t.ok(Date.now() - before >= 900)
})

t.test('C13.2 a second signal does not wait', async t => {
  const { child, ended, out } = await withRequest(t, 60)
  child.kill('SIGTERM')
  await until('draining', () => out().includes('"draining"'))
  child.kill('SIGTERM')
  t.equal((await ended).code, 70)
})
