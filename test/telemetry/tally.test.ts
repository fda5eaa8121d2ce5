import { Counter, Histogram, Registry } from 'prom-client'
import t from 'tap'
import { createCounts, createDurations, registerCounter, registerHistogram } from '../../src/telemetry/tally.ts'

const bounds = [0.1, 0.5, 1]

t.test('a counter says what a counter of prom-client says', async t => {
  const [ours, theirs] = [new Registry(), new Registry()]
  const counts = createCounts<[route: string, status: string]>()
  registerCounter(ours, { name: 'a_total', help: 'A', labelNames: ['route', 'status'], read: counts.entries })
  const counter = new Counter({ name: 'a_total', help: 'A', labelNames: ['route', 'status'], registers: [theirs] })
  for (const [route, status] of [['/a', '200'], ['/a', '404'], ['/b"\\', '200'], ['/a', '200']] as const) {
    counts.add(route, status)
    counter.inc({ route, status })
  }
  t.equal(await ours.metrics(), await theirs.metrics())
})

t.test('a histogram says what a histogram of prom-client says, bounds included', async t => {
  const [ours, theirs] = [new Registry(), new Registry()]
  const durations = createDurations(bounds)
  registerHistogram(ours, { name: 'b_seconds', help: 'B', read: () => [[{ route: '/a' }, durations]] })
  const histogram = new Histogram({ name: 'b_seconds', help: 'B', labelNames: ['route'], buckets: bounds, registers: [theirs] })
  for (const seconds of [0, 0.1, 0.10001, 0.5, 0.75, 1, 2]) {
    durations.observe(seconds)
    histogram.observe({ route: '/a' }, seconds)
  }
  t.equal(await ours.metrics(), await theirs.metrics())
})
