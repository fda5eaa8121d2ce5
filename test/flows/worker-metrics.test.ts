/** This file scrapes a gateway of several workers: whichever is asked, all tell; one that stands still is left out. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { configOf } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { type Running, serving, writeConfig } from '../support/process.ts'
import { startRedis, until } from '../support/redis.ts'
import { parseSeries, type Series } from '../support/scrape.ts'
import { startUpstream } from '../support/upstream.ts'

const workers = 3
const requests = 40

const [redis, app] = await Promise.all([startRedis(t), startUpstream(t)])

/** A worker that stands still keeps the connection that it was given: then another one is tried. */
const patienceMs = 5000

interface World {
  readonly program: Running
  /** Makes requests that are spread over all workers. */
  readonly visit: (count: number) => Promise<void>
  readonly scrape: () => Promise<string>
}

async function startWorkers (t: Test): Promise<World> {
  const [port, managementPort] = [await freePort(), await freePort()]
  const program = await serving(t, writeConfig(t, configOf({
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }],
    server: { workers, management: { port: managementPort }, limits: { drainDelaySeconds: 0 } },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  }, port)))
  await until('all workers', () => countOf(program, 'listening') === workers)
  return {
    program,
    async visit (count) {
      for (let i = 0; i < count; i++) await fetchOnce(`http://localhost:${port}/public/${i}`)
    },
    scrape: async () => await fetchOnce(`http://127.0.0.1:${managementPort}/metrics`)
  }
}

async function fetchOnce (url: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(patienceMs) })
      if (!answer.ok) throw new Error(`${url}: ${answer.status}`)
      return await answer.text()
    } catch (error) {
      if (tries === 5) throw error
    }
  }
}

function linesOf (running: Running): any[] {
  return running.out().split('\n').filter(line => line.endsWith('}')).map(line => JSON.parse(line))
}

const countOf = (running: Running, event: string): number => linesOf(running).filter(line => line.event === event).length

const totalOf = (series: readonly Series[]): number =>
  series.filter(({ name }) => name === 'scopegate_requests_total').reduce((sum, { value }) => sum + value, 0)

const workersOf = (series: readonly Series[]): string[] => [...new Set(series.map(({ labels }) => labels.worker ?? 'none'))].sort()

/** Fails unless each family is there once and its samples come right after it. */
function expectFormat (t: Test, text: string): void {
  const seen = new Set<string>()
  let family = ''
  for (const line of text.split('\n').filter(line => line !== '')) {
    const [, kind, name] = /^# (HELP|TYPE) (\w+) ./.exec(line) ?? []
    if (kind === 'HELP') {
      if (seen.has(name!)) t.fail(`${name} is there twice`)
      seen.add(name!)
      family = name!
    } else if (kind === 'TYPE') {
      if (name !== family) t.fail(`${line} without its HELP`)
    } else if (!/^\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)+\})? (?:[-+]?[\d.]+(?:e[-+]?\d+)?|[-+]Inf|[Nn]a[Nn])$/.test(line) || !line.startsWith(family)) {
      t.fail(`${line} below ${family}`)
    }
  }
  t.ok(seen.has('scopegate_requests_total') && seen.size > 30)
  t.ok(text.endsWith('\n'))
}

t.test('any scrape has the numbers of all workers', async t => {
  const { visit, scrape } = await startWorkers(t)
  await visit(requests)
  await until('all requests', async () => totalOf(parseSeries(await scrape())) === requests)
  for (let i = 0; i < 2 * workers; i++) {
    const text = await scrape()
    const series = parseSeries(text)
    t.equal(totalOf(series), requests)
    t.same(workersOf(series), ['1', '2', '3'])
    expectFormat(t, text)
  }
  const counts = parseSeries(await scrape()).filter(({ name }) => name === 'scopegate_requests_total').map(({ value }) => value)
  t.equal(counts.length, workers, 'each has a share, and none is there twice')
  const together = await Promise.all(Array.from({ length: 20 }, scrape))
  t.same(together.map(text => totalOf(parseSeries(text))), Array.from(together, () => requests), 'at the same time, too')
})

t.test('a worker that stands still is left out, which is told once; when it goes on it is back', async t => {
  const { program, visit, scrape } = await startWorkers(t)
  await visit(requests)
  await until('all requests', async () => totalOf(parseSeries(await scrape())) === requests)
  const stopped = childrenOf(program.child.pid!)[0]!
  process.kill(stopped, 'SIGSTOP')
  t.teardown(() => { process.kill(stopped, 'SIGKILL') })
  for (let i = 0; i < 4; i++) {
    const text = await scrape()
    t.equal(workersOf(parseSeries(text)).length, workers - 1)
    expectFormat(t, text)
  }
  const left = workersOf(parseSeries(await scrape()))
  await until('the line', () => countOf(program, 'metrics-incomplete') > 0)
  const lines = linesOf(program).filter(({ event }) => event === 'metrics-incomplete')
  t.equal(lines.length, 1)
  t.same(lines[0].workers, ['1', '2', '3'].filter(worker => !left.includes(worker)).map(Number))
  process.kill(stopped, 'SIGCONT')
  await until('all workers', async () => workersOf(parseSeries(await scrape())).length === workers)
  await until('all requests', async () => totalOf(parseSeries(await scrape())) >= requests)
})

t.test('a worker that is lost is not waited for, and its successor has a number of its own', async t => {
  const { program, scrape } = await startWorkers(t)
  process.kill(childrenOf(program.child.pid!)[0]!, 'SIGKILL')
  await until('the news', () => countOf(program, 'worker-lost') === 1)
  t.equal(workersOf(parseSeries(await scrape())).length, workers - 1)
  await until('another worker', () => countOf(program, 'listening') === workers + 1)
  await until('its metrics', async () => workersOf(parseSeries(await scrape())).includes('4'))
  t.equal(countOf(program, 'metrics-incomplete'), 0)
  program.child.kill('SIGTERM')
  t.equal((await program.ended).code, 0)
})

function childrenOf (pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(text => text !== '').map(Number)
}
