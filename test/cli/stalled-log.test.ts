/**
 * This file runs the program with a standard output that nobody reads: a pipe that is full. Requests must not notice, memory must
 * not grow, and whoever reads again is told what is missing.
 */
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { build } from '../support/build.ts'
import { configOf } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { folder, writeConfig } from '../support/process.ts'
import { exchange } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { residentBytes } from '../support/vitals.ts'

t.before(build)

/** Starts the program with a pipe for its output whose other end is open and not read. */
async function startUnread (t: Test) {
  const port = await freePort()
  const file = writeConfig(t, configOf({
    upstreams: { app: { url: 'http://127.0.0.1:1' } }, routes: [{ path: '/public/*', upstream: 'app', access: 'public' }]
  }, port))
  const pipe = join(folder(t), 'pipe')
  execFileSync('mkfifo', [pipe])
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(pipe, constants.O_WRONLY)
  const main = join(import.meta.dirname, '../../dist/src/main.js')
  const child = spawn(process.execPath, [main, '--config', file], { env: { PATH: process.env.PATH }, stdio: ['ignore', writer, 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  closeSync(writer)
  const output = new Socket({ fd: reader, readable: true, writable: false })
  t.teardown(() => { output.destroy() })
  const ended = new Promise<number | null>(resolve => { child.once('exit', resolve) })
  await until('an answer', async () => await exchange(t, port, { target: '/.auth/me' }).then(() => true, () => false), 60_000)
  return { port, child, ended, output }
}

/** Requests whose lines are long, a few at a time. @returns how many were answered as they should be */
async function ask (t: Test, port: number, count: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  t.teardown(() => { agent.destroy() })
  const path = `/${'a'.repeat(4000)}`
  const answers = Array.from({ length: count }, async () => await new Promise<boolean>(resolve => {
    get({ host: '127.0.0.1', port, path, agent, headers: { host: 'localhost' } }, response => {
      response.resume().on('end', () => { resolve(response.statusCode === 401) })
    }).on('error', () => { resolve(false) })
  }))
  return (await Promise.all(answers)).filter(Boolean).length
}

t.test('a log that nobody reads stops no request and fills no memory, and the gap is told when somebody reads again', async t => {
  const { port, child, ended, output } = await startUnread(t)
  t.equal(await ask(t, port, 500), 500)
  const before = residentBytes(child.pid!)
  // Three times what is kept.
  t.equal(await ask(t, port, 6000), 6000)
  const grown = (residentBytes(child.pid!) - before) / 2 ** 20
  t.comment(`memory grew by ${Math.round(grown)} MiB`)
  t.ok(grown < 150, `${Math.round(grown)} MiB`)

  let text = ''
  output.setEncoding('utf8').on('data', chunk => { text += String(chunk) })
  const linesOf = (): any[] => text.split('\n').slice(0, -1).map(line => JSON.parse(line))
  await until('the news of the gap', () => text.includes('"event":"lines-dropped"'), 60_000)
  t.equal((await exchange(t, port, { target: '/after' })).status, 401)
  await until('a line after it', () => text.includes('"path":"/after"'))
  const lines = linesOf()
  const [gap, ...more] = lines.filter(({ event }) => event === 'lines-dropped')
  t.match(gap, { level: 'warn', lines: Number })
  t.same(more, [])
  t.ok(gap.lines > 1000, `${gap.lines} lines`)
  const accounted = lines.filter(({ path }) => path?.startsWith('/aaa')).length + gap.lines
  // Some of what was dropped may be events: the provider of this test does not answer.
  t.ok(accounted >= 6500 && accounted < 6600, `each line was written or counted: ${accounted} of 6500 and a few`)
  child.kill('SIGINT')
  t.equal(await ended, 0)
})
