/**
 * This file checks which requests have a line in the log where only some of those that went well have one: all others, whatever
 * chance says.
 */
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { recordRequest } from '../../src/telemetry/finished.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { noMetrics } from '../../src/telemetry/metrics.ts'
import { createSampler, type Sampling } from '../../src/telemetry/sampling.ts'
import { until } from '../support/redis.ts'

async function listen (t: Test, sampling: Sampling) {
  let text = ''
  let counted = 0
  const app = fastify()
  t.teardown(async () => { await app.close() })
  app.addHook('onResponse', recordRequest({
    log: createLog('info', { write: line => { text += line } }),
    metrics: { ...noMetrics, request () { counted++ } },
    userOf: () => undefined,
    sampling
  }))
  app.get('/fine', async () => 'fine')
  app.get('/moved', async (_request, reply) => reply.redirect('/elsewhere'))
  app.get('/sign-in', async (_request, reply) => reply.header('scopegate-error', 'SG_SIGN_IN_REQUIRED').redirect('/.auth/login'))
  app.get('/refused', async (_request, reply) => reply.code(403).send())
  app.get('/failed', async () => { throw new Error('x') })
  async function ask (url: string): Promise<void> {
    const before = counted
    await app.inject({ url })
    await until(`the end of ${url}`, () => counted > before)
  }
  return { ask, lines: (): any[] => text.split('\n').filter(line => line !== '').map(line => JSON.parse(line)) }
}

const pathsOf = (lines: any[]): unknown[] =>
  lines.map(({ path, samplePercent }) => samplePercent === undefined ? path : [path, samplePercent])
const all = ['/fine', '/moved', '/sign-in', '/refused', '/failed', '/nowhere']
const unusual = ['/sign-in', '/refused', '/failed', '/nowhere']

t.test('by default every request has its line, and nothing is said of a sample', async t => {
  const { ask, lines } = await listen(t, { samplePercent: 100, slowSeconds: 1 })
  for (const path of all) await ask(path)
  t.same(pathsOf(lines()), all)
})

t.test('with 0 those have one that did not go well, each for itself alone', async t => {
  const { ask, lines } = await listen(t, { samplePercent: 0, slowSeconds: 3600 })
  for (const path of all) await ask(path)
  t.same(pathsOf(lines()), unusual)
})

t.test('a request that is slow has its line', async t => {
  const { ask, lines } = await listen(t, { samplePercent: 0, slowSeconds: 0 })
  await ask('/fine')
  t.same(pathsOf(lines()), ['/fine'])
})

t.test('in between chance decides, and the line says how many it stands for', async t => {
  const { ask, lines } = await listen(t, { samplePercent: 50, slowSeconds: 3600 })
  for (let i = 0; i < 64; i++) await ask('/fine')
  const found = lines().filter(({ samplePercent }) => samplePercent === 50).length
  // Outside of these bounds once in 2^63 runs.
  t.ok(found > 0 && found < 64, `${found} of 64`)
  t.equal(lines().length, found)
})

t.test('as many of a hundred as the config says', async t => {
  const good = { raw: { statusCode: 200 }, hasHeader: () => false } as never
  for (const samplePercent of [0, 1, 10, 99]) {
    let drawn = 0
    const sample = createSampler({ samplePercent, slowSeconds: 1 }, () => drawn++ % 100 / 100)!
    const written = Array.from({ length: 1000 }, () => sample(good, 5)).filter(one => one !== undefined)
    t.equal(written.length, samplePercent * 10)
    t.same([...new Set(written)], samplePercent === 0 ? [] : [`,"samplePercent":${samplePercent}`])
  }
})
