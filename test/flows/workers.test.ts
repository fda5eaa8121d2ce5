/** This file serves one port by several processes over one Redis, and takes some of them away. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { configOf, startEntra } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { type Running, serving, start, writeConfig } from '../support/process.ts'
import { startRedis, until } from '../support/redis.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const workers = 2

/** What all gateways of this file stand between. */
const [emulator, redis, app] = await Promise.all([startEntra(t), startRedis(t), startUpstream(t)])

function config (t: Test, port: number): string {
  const parts = {
    emulator,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app' }],
    server: { workers, limits: { drainDelaySeconds: 0 } },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  }
  return writeConfig(t, configOf(parts, port))
}

const countOf = (running: Running, event: string): number => running.out().split(`"event":"${event}"`).length - 1

async function startWorkers (t: Test) {
  const port = await freePort()
  const program = await serving(t, config(t, port))
  const url = `http://localhost:${port}`
  await until('all workers', () => countOf(program, 'listening') === workers, 60_000)
  return { program, url, children: childrenOf(program.child.pid!) }
}

function childrenOf (pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(text => text !== '').map(Number)
}

function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** The worker of each request line in the log, in order. */
function workersOf (running: Running): Set<number> {
  const lines = running.out().split('\n').filter(line => line.endsWith('}')).map(line => JSON.parse(line))
  return new Set(lines.filter(({ path }) => path === '/x').map(({ worker }) => worker))
}

t.test('whichever worker a connection comes to, the user is signed in', async t => {
  const { program, url, children } = await startWorkers(t)
  t.equal(children.length, workers)
  const anybody = createBrowser(t)
  for (let seen = 0; seen < 10;) {
    const { status } = await anybody.visit(`${url}/.auth/login`, { headers: { connection: 'close' } })
    seen = status === 302 ? seen + 1 : 0
  }
  const { browser } = await signIn(t, { url, entra: emulator })
  for (let count = 0; count < 20; count++) {
    t.equal((await browser.fetch(`${url}/x`, { headers: { connection: 'close' } })).status, 200)
  }
  await until('the lines of the requests', () => workersOf(program).size === workers)
  program.child.kill('SIGHUP')
  await until('a new config in every worker', () => countOf(program, 'config-reloaded') === workers)
  t.equal((await browser.fetch(`${url}/x`)).status, 200)
})

t.test('a worker that is lost is replaced, and meanwhile the other serves', async t => {
  const { program, url, children } = await startWorkers(t)
  process.kill(children[0]!, 'SIGKILL')
  await until('the news', () => countOf(program, 'worker-lost') === 1)
  const anybody = createBrowser(t)
  t.equal((await anybody.fetch(`${url}/public/x`, { headers: { connection: 'close' } })).status, 200)
  await until('another worker', () => countOf(program, 'listening') === workers + 1, 60_000)
  t.equal(childrenOf(program.child.pid!).length, workers)
})

t.test('SIGTERM ends all of them, with 0', async t => {
  const { program, children } = await startWorkers(t)
  program.child.kill('SIGTERM')
  t.equal((await program.ended).code, 0)
  t.equal(countOf(program, 'draining'), workers)
  t.same(children.filter(isAlive), [])
})

t.test('a signal to the whole group, as a terminal sends it, is one signal', async t => {
  const { program, children } = await startWorkers(t)
  for (const pid of [...children, program.child.pid!]) process.kill(pid, 'SIGINT')
  t.equal((await program.ended).code, 0)
})

t.test('workers end with their primary', async t => {
  const { program, children } = await startWorkers(t)
  program.child.kill('SIGKILL')
  t.equal(children.length, workers)
  await t.resolves(until('no worker', () => !children.some(isAlive)))
})

t.test('what keeps a worker from listening is told once, and ends the primary', async t => {
  const port = await freePort()
  const taken = createServer()
  await new Promise<void>(resolve => { taken.listen(port, '127.0.0.1', resolve) })
  t.teardown(() => { taken.close() })
  const { code, err } = await start(t, ['serve', '--config', config(t, port)]).ended
  t.equal(code, 70)
  t.equal(err, `cannot listen on 127.0.0.1:${port}: EADDRINUSE\n`)
})

t.test('workers need a store that they share', async t => {
  const file = writeConfig(t, configOf({
    upstreams: { app: { url: 'http://127.0.0.1:1' } }, routes: [{ path: '/*', upstream: 'app' }], server: { workers: 'auto' }
  }, 8080))
  const { code, err } = await start(t, ['check', '--config', file]).ended
  t.equal(code, 1)
  t.match(err, 'more than one process needs store.type redis')
})
