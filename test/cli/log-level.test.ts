/** This file sets LOG_LEVEL as an operator does: each level shows what it should, and another word is told what there is. */
import t from 'tap'
import { build } from '../support/build.ts'
import { configOf } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { start, writeConfig } from '../support/process.ts'
import { exchange } from '../support/raw.ts'
import { until } from '../support/redis.ts'

t.before(build)
t.jobs = 2

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

async function configFile (port: number): Promise<string> {
  return writeConfig(t, configOf({
    upstreams: { app: { url: 'http://127.0.0.1:1' } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  }, port))
}

for (const level of levels) {
  t.test(`LOG_LEVEL=${level}`, async t => {
    const port = await freePort()
    const { child, ended } = start(t, ['--config', await configFile(port)], { LOG_LEVEL: level })
    await until('an answer', async () => await exchange(t, port, { target: '/x' }).then(({ status }) => status === 502, () => false), 60_000)
    child.kill('SIGINT')
    const { code, out, err } = await ended
    t.equal(code, 0)
    t.equal(err, '')
    const written = new Set(out.split('\n').filter(line => line !== '').map(line => JSON.parse(line).level))
    const expected = levels.slice(0, levels.indexOf(level) + 1)
    t.same([...written].filter(one => !expected.includes(one)), [], 'nothing below it')
    t.equal(written.has('info'), ['info', 'debug', 'trace'].includes(level), 'the line of the request')
    t.equal(written.has('warn'), ['warn', 'info', 'debug', 'trace'].includes(level), 'the line of the upstream')
  })
}

t.test('any other word is a mistake that says which there are', async t => {
  const file = await configFile(8080)
  for (const level of ['verbose', 'INFO', '', '30', 'constructor']) {
    const { code, out, err } = await start(t, ['--config', file], { LOG_LEVEL: level }).ended
    t.equal(code, 2, level)
    t.equal(err, `LOG_LEVEL must be one of ${levels.join(', ')}\n`)
    t.equal(out, '')
  }
})
