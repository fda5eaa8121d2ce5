/**
 * This file runs the program as an operator does: a process, its exit code, its two outputs, and signals. The build is the
 * one under `dist/`, brought up to date first.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { freePort } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const root = join(import.meta.dirname, '../..')
const main = join(root, 'dist/src/main.js')

t.before(() => {
  // An error of types elsewhere does not keep the compiler from writing what it can.
  spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], { cwd: root })
  if (!existsSync(main)) throw new Error('there is no build: npm run build')
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Running {
  readonly child: ChildProcess
  readonly out: () => string
  readonly ended: Promise<Ended>
}

/** Starts the program with nothing of this process's environment that could matter to it. */
function start (t: Test, args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', chunk => { out += chunk })
  child.stderr.on('data', chunk => { err += chunk })
  t.teardown(() => { child.kill('SIGKILL') })
  const ended = new Promise<Ended>(resolve => { child.once('close', code => { resolve({ code, out, err }) }) })
  return { child, out: () => out, ended }
}

async function run (t: Test, args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  return await start(t, args, env).ended
}

async function runAll (t: Test, uses: readonly string[][]): Promise<Array<[args: readonly string[], ended: Ended]>> {
  return await Promise.all(uses.map(async args => [args, await run(t, args)] as [string[], Ended]))
}

function folder (t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'scopegate-cli-'))
  t.teardown(() => { rmSync(path, { recursive: true }) })
  return path
}

function configFile (t: Test, port: number, { upstream = 'http://127.0.0.1:1', drainSeconds = 20 }: { upstream?: string, drainSeconds?: number } = {}): string {
  const file = join(folder(t), 'gateway.yaml')
  writeFileSync(file, `version: 1
server: { host: 127.0.0.1, port: ${port}, publicUrl: "http://localhost:${port}", limits: { drainSeconds: ${drainSeconds} } }
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

async function until (what: string, isTrue: () => boolean): Promise<void> {
  for (let waited = 0; !isTrue(); waited += 20) {
    if (waited > 20_000) throw new Error(`waited too long for ${what}`)
    await delay(20)
  }
}

async function serving (t: Test, file: string): Promise<Running> {
  const running = start(t, ['serve', '--config', file], env)
  await until('listening', () => running.out().includes('"listening"'))
  return running
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

t.test('--help says how it is used, for every command, and that is fine', async t => {
  const uses = [['--help'], ['-h'], ['check', '--help']]
  for (const [args, { code, out, err }] of await runAll(t, uses)) {
    t.equal(code, 0, args.join(' '))
    t.match(out, /^scopegate <command> \[--config FILE\]/)
    t.match(out, 'Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 cannot start')
    t.equal(err, '')
  }
})

t.test('wrong usage is 2, on standard error', async t => {
  const uses = [['nonsense'], ['--nonsense'], ['--config'], ['check', 'extra'], ['constructor']]
  for (const [args, { code, out, err }] of await runAll(t, uses)) {
    t.equal(code, 2, args.join(' '))
    t.match(err, 'scopegate <command>')
    t.equal(out, '')
  }
})

t.test('check is 0 for a good config and 1 for one with problems, each with its place', async t => {
  const good = configFile(t, 8080)
  t.match(await run(t, ['check', '--config', good], env), { code: 0, out: /is fine: 2 routes, 1 upstream, 0 scope sets\n$/, err: '' })
  t.match(await run(t, ['check'], { ...env, SCOPEGATE_CONFIG: good }), { code: 0 }, 'named by the environment')
  const bad = await run(t, ['check', '--config', good])
  t.match(bad, { code: 1, out: '', err: /gateway\.yaml:\d+:\d+ .*SECRET/ })
  t.notMatch(bad.err, 'the-client-secret')
  t.match(await run(t, ['check', '--config', join(folder(t), 'none.yaml')]), { code: 1, err: /none\.yaml:1:1 .*ENOENT/ })
})

t.test('schema is JSON', async t => {
  const { code, out } = await run(t, ['schema'])
  t.equal(code, 0)
  t.match(JSON.parse(out), { type: 'object' })
})

t.test('serve does not start with a config that has problems', async t => {
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
async function withRequest (t: Test, drainSeconds: number) {
  let finish: (() => void) | undefined
  const upstream = await startUpstream(t, {
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('begun')
      finish = () => { response.end(' and finished') }
    }
  })
  const port = await freePort()
  const running = await serving(t, configFile(t, port, { upstream: upstream.origin, drainSeconds }))
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => { agent.destroy() })
  const reply = await fetch(`http://localhost:${port}/public/x`, agent)
  // A connection that breaks is the point of some tests; what it means is read from `body` there.
  reply.body.catch(() => {})
  return { ...running, port, agent, reply, finish: () => { finish?.() } }
}

t.test('SIGTERM lets a request under way finish, takes no new connection, and then ends with 0', async t => {
  const { child, ended, reply, port, finish, out } = await withRequest(t, 15)
  child.kill('SIGTERM')
  await until('draining', () => out().includes('"draining"'))
  await delay(100)
  await t.rejects(fetch(`http://localhost:${port}/public/y`, new Agent()), { code: 'ECONNREFUSED' })
  t.equal(child.exitCode, null, 'it waits')
  const before = Date.now()
  finish()
  t.equal(await reply.body, 'begun and finished')
  t.equal((await ended).code, 0)
  t.ok(Date.now() - before < 10_000, 'the kept-alive connection of a client that is done holds nothing up')
})

t.test('what is not finished when the drain time is over is cut, and that is still 0', async t => {
  const { child, ended, reply } = await withRequest(t, 1)
  const before = Date.now()
  child.kill('SIGTERM')
  await t.rejects(reply.body, 'the client sees that the rest is missing')
  t.equal((await ended).code, 0)
  t.ok(Date.now() - before >= 900)
})

t.test('a second signal does not wait', async t => {
  const { child, ended, out } = await withRequest(t, 60)
  child.kill('SIGTERM')
  await until('draining', () => out().includes('"draining"'))
  child.kill('SIGTERM')
  t.equal((await ended).code, 70)
})
