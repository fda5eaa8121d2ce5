/** This file runs the program with the variables of OpenTelemetry: what each is for, what a reload changes, and the end. */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { build } from '../support/build.ts'
import { type Collector, startCollector } from '../support/collector.ts'
import { configOf } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { type Running, serving, writeConfig } from '../support/process.ts'
import { startRedis, until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

t.before(build)

interface Program extends Running {
  readonly url: string
  readonly collector: Collector
  readonly count: (event: string) => number
}

const often = { OTEL_BSP_SCHEDULE_DELAY: '20' }
const never = { OTEL_BSP_SCHEDULE_DELAY: '3600000' }

async function startProgram (t: Test, env: Record<string, string>, more: Record<string, unknown> = {}): Promise<Program> {
  const [collector, app, port] = await Promise.all([startCollector(t), startUpstream(t), freePort()])
  const file = writeConfig(t, configOf({
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app', access: 'public' }],
    ...more,
    server: { ...more.server as object, limits: { drainDelaySeconds: 0 } }
  }, port))
  const running = await serving(t, file, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...env })
  const count = (event: string): number => running.out().split(`"event":"${event}"`).length - 1
  return { ...running, url: `http://localhost:${port}`, collector, count }
}

async function get (url: string): Promise<void> {
  const answer = await fetch(url, { headers: { connection: 'close' } })
  t.equal(answer.status, 200)
  await answer.text()
}

const paths = ({ spans }: Collector): unknown[] => spans().filter(({ kind }) => kind === 'server').map(({ attributes }) => attributes['url.path'])

t.test('SIGTERM sends what was not sent yet, the last answers included', async t => {
  const program = await startProgram(t, never)
  await get(`${program.url}/1`)
  await get(`${program.url}/2`)
  t.same(program.collector.received, [])
  program.child.kill('SIGTERM')
  t.equal((await program.ended).code, 0)
  t.same(paths(program.collector), ['/1', '/2'])
})

t.test('name, attributes and fields are those of the environment', async t => {
  const { url, collector } = await startProgram(t, {
    ...often,
    OTEL_SERVICE_NAME: 'portal',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=k1'
  })
  await get(`${url}/1`)
  const { resource } = await collector.find('a span', () => true)
  t.match(resource, { 'service.name': 'portal', 'deployment.environment.name': 'test', 'service.instance.id': /^[0-9a-f-]{36}$/ })
  t.equal(collector.received[0]!.headers['x-key'], 'k1')
  t.equal(collector.received[0]!.headers['content-type'], 'application/x-protobuf')
})

t.test('an endpoint for traces alone is taken as it is, and the name is scopegate', async t => {
  const other = await startCollector(t)
  const { url, collector } = await startProgram(t, { ...often, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${other.endpoint}/in/here` })
  await get(`${url}/1`)
  const { resource } = await other.find('a span', () => true)
  t.equal(resource['service.name'], 'scopegate')
  t.equal(other.received[0]!.url, '/in/here')
  t.same(collector.received, [])
})

t.test('a new config goes on in the same traces', async t => {
  const program = await startProgram(t, often)
  await get(`${program.url}/1`)
  program.child.kill('SIGHUP')
  await until('the new config', () => program.count('config-reloaded') === 1)
  await get(`${program.url}/2`)
  await until('both requests', () => paths(program.collector).length === 2, 30_000)
  t.equal(new Set(program.collector.spans().map(({ resource }) => resource['service.instance.id'])).size, 1)
  t.equal(program.count('tracing'), 1)
})

t.test('each worker sends its own', async t => {
  const redis = await startRedis(t)
  const program = await startProgram(t, never, {
    server: { workers: 2 },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  })
  await until('both workers', () => program.count('listening') === 2)
  for (let i = 0; i < 20; i++) await get(`${program.url}/${i}`)
  program.child.kill('SIGTERM')
  t.equal((await program.ended).code, 0)
  t.equal(paths(program.collector).length, 20)
  t.equal(new Set(program.collector.spans().map(({ resource }) => resource['service.instance.id'])).size, 2)
})

t.test('a collector that is away is told once, costs nobody anything, and again once it is back', async t => {
  const program = await startProgram(t, often)
  program.collector.answer(404)
  for (let i = 0; i < 20; i++) await get(`${program.url}/${i}`)
  await until('the news', () => program.count('traces-lost') > 0, 30_000)
  const before = program.collector.received.length
  for (let i = 0; i < 5; i++) {
    await get(`${program.url}/x`)
    await until('another attempt', () => program.collector.received.length > before + i, 30_000)
  }
  t.equal(program.count('traces-lost'), 1)
  t.match(program.out(), /"event":"traces-lost","cause":"404"/)
  program.collector.answer(200)
  await get(`${program.url}/y`)
  await until('its return', () => program.count('traces-back') === 1, 30_000)
  t.equal(program.err(), '')
})

t.test('nobody listening there: all the same', async t => {
  const program = await startProgram(t, { ...often, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_EXPORTER_OTLP_TIMEOUT: '100' })
  await get(`${program.url}/1`)
  await until('the news', () => program.count('traces-lost') === 1, 60_000)
  t.match(program.out(), /"cause":"ECONNREFUSED"/)
  program.child.kill('SIGTERM')
  const { code, err } = await program.ended
  t.equal(code, 0)
  t.equal(err, '')
})

t.test('a collector that hangs does not hold the process', async t => {
  const program = await startProgram(t, { ...never, OTEL_EXPORTER_OTLP_TIMEOUT: '3600000' })
  program.collector.answer('hang')
  await get(`${program.url}/1`)
  program.child.kill('SIGTERM')
  t.equal((await program.ended).code, 0)
  t.equal(program.collector.received.length, 1)
})

t.test('off is off', async t => {
  const program = await startProgram(t, { ...often, OTEL_SDK_DISABLED: 'true' })
  await get(`${program.url}/1`)
  program.child.kill('SIGTERM')
  await program.ended
  t.same(program.collector.received, [])
  t.equal(program.count('tracing'), 0)
})

t.test('what cannot be done is told, and the gateway serves', async t => {
  const program = await startProgram(t, { ...often, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })
  await get(`${program.url}/1`)
  t.match(program.out(), /"event":"tracing-off","why":"OTEL_EXPORTER_OTLP_PROTOCOL must be http\/protobuf"/)
})
