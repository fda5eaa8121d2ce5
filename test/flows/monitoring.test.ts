/**
 * This file holds alerts and dashboard against a gateway to which everything happens that they are about: each series, label
 * and value that they name is in what Prometheus would read there.
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Browser, createBrowser } from '../support/browser.ts'
import { configOf, startEntra } from '../support/gateway.ts'
import { alerts, panels, recordings, variableQueries } from '../support/monitoring.ts'
import { freePort } from '../support/ports.ts'
import { folder, serving } from '../support/process.ts'
import { isMatch, type Matcher, readExpression } from '../support/promql.ts'
import { startRedis, until } from '../support/redis.ts'
import { scrapeSeries, type Series } from '../support/scrape.ts'
import { startUpstream } from '../support/upstream.ts'

const expressions = [...alerts, ...recordings].map(({ expr }) => expr)
  .concat(panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)), variableQueries.map(query => query.replace(/^label_values\((.*), \w+\)$/, '$1')))

/** What Prometheus adds to each series. */
const ofTarget = ['namespace', 'job', 'instance']
const series = await scrapesOfTrouble()
const labelsOf = (name: string): ReadonlySet<string> =>
  new Set([...series.filter(one => one.name === name).flatMap(({ labels }) => Object.keys(labels)), ...ofTarget])

/** Everything that a gateway tells while all is well, and while this and that is not. */
async function scrapesOfTrouble (): Promise<readonly Series[]> {
  const [entra, redis, app] = await Promise.all([startEntra(t), startRedis(t), startUpstream(t)])
  const slow = await startUpstream(t, { answer () {} })
  const [port, managementPort, nobody] = [await freePort(), await freePort(), await freePort()]
  const file = join(folder(t), 'gateway.yaml')
  const write = (...more: readonly object[]): void => {
    writeFileSync(file, JSON.stringify(configOf({
      emulator: entra,
      upstreams: {
        app: { url: app.origin },
        orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] },
        graph: { url: app.origin, scopes: ['User.Read'] },
        gone: { url: `http://127.0.0.1:${nobody}` },
        slow: { url: slow.origin, timeouts: { headersSeconds: 1 } }
      },
      routes: [
        { path: '/gone/*', upstream: 'gone', access: 'public' },
        { path: '/slow/*', upstream: 'slow', access: 'public' },
        { path: '/orders/*', upstream: 'orders' },
        { path: '/graph/*', upstream: 'graph' },
        { path: '/*', upstream: 'app' },
        ...more
      ],
      server: { management: { port: managementPort } },
      entra: { initialScopes: ['api://orders/Orders.Read', 'User.Read'] },
      store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
      keys
    }, port)))
  }
  const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  write()
  const program = await serving(t, file)
  const url = `http://localhost:${port}`
  const [alice, bob] = ['alice', 'bob'].map(name => createBrowser(t, { ca: entra.caPem, user: `${name}@contoso.example` })) as [Browser, Browser]
  await until('a gateway that is ready', async () => (await bob.visit(`${url}/.auth/login`)).status === 302)

  await alice.go(`${url}/x`)
  for (const path of ['/orders/1', '/gone/1', '/slow/1']) await alice.fetch(url + path)
  await bob.visit(`${url}/.auth/callback?state=x&code=y`)
  const token = { endpoint: 'token', times: 10 }
  for (const trouble of [{ aadsts: 7000215 }, { status: 500, body: {} }] as const) {
    entra.admin.fault({ ...token, ...trouble })
    await alice.fetch(`${url}/graph/1`)
    entra.admin.clearFaults()
  }
  entra.admin.fault({ ...token, aadsts: 7000215 })
  await bob.go(`${url}/x`)
  entra.admin.clearFaults()
  entra.admin.fault({ ...token, status: 429, body: {}, headers: { 'retry-after': '1' } })
  await bob.go(`${url}/x`)
  await alice.visit(`${url}/.auth/logout`)
  write({ path: '/more', upstream: 'nobody' })
  program.child.kill('SIGHUP')
  await until('a refused config', () => program.out().includes('"config-refused"'))
  const before = await scrapeSeries(managementPort)
  await redis.kill()
  await until('a store that is missed', async () => (await bob.visit(`${url}/.auth/login`)).status === 503)
  let after: readonly Series[] = []
  await until('what comes now and then', async () => {
    after = await scrapeSeries(managementPort)
    return ['failed', 'major'].every(value => after.some(({ labels }) => Object.values(labels).includes(value)))
  })
  return [...before, ...after]
}

t.test('each series that alerts and dashboard name is there', async t => {
  const recorded = recordings.map(({ record }) => record)
  const known = new Set([...series.map(({ name }) => name), ...recorded, 'up'])
  for (const expr of expressions) {
    const { selectors } = readExpression(expr)
    t.ok(selectors.length > 0, expr)
    t.same(selectors.map(({ name }) => name).filter(name => !known.has(name)), [], expr)
  }
})

t.test('each label that they select, group or join by is one of these series', async t => {
  for (const expr of expressions) {
    const { selectors, labels } = readExpression(expr)
    const known = new Set(selectors.flatMap(({ name }) => [...labelsOf(name)]))
    t.same(labels.filter(label => !known.has(label)), [], expr)
    for (const { name, matchers } of selectors) t.same(matchers.filter(({ label }) => !labelsOf(name).has(label)), [], expr)
  }
})

t.test('each selection finds something', async t => {
  const isFound = (one: Series, matchers: readonly Matcher[]): boolean => matchers.every(matcher => isMatch(matcher, one.labels[matcher.label] ?? ''))
  for (const expr of expressions) {
    for (const { name, matchers } of readExpression(expr).selectors) {
      // What is chosen at the top of the dashboard is put in by Grafana.
      const fixed = matchers.filter(({ value }) => !value.startsWith('$'))
      t.ok(fixed.length === 0 || series.some(one => one.name === name && isFound(one, fixed)), `${name} ${JSON.stringify(fixed)}`)
    }
  }
})

t.test('what a line or an alert says of a series is one of its labels', async t => {
  const texts = [
    ...alerts.map(({ expr, annotations }) => [expr, [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)]] as const),
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr, legendFormat }) => [expr, [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)]] as const))
  ]
  for (const [expr, named] of texts) {
    const { selectors, labels } = readExpression(expr)
    const isGrouped = / by \(/.test(expr)
    const known = isGrouped ? new Set(labels) : new Set(selectors.flatMap(({ name }) => [...labelsOf(name)]))
    t.same(named.map(([, label]) => label!).filter(label => !known.has(label)), [], expr)
  }
})
