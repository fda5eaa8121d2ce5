/**
 * This file does to the process what requests cannot: an error that nobody catches, a loop that is held up, and uploads that
 * nobody takes in. A module that is loaded beside the program does it on SIGUSR2.
 */
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { build } from '../support/build.ts'
import { configOf } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { folder, type Running, serving, writeConfig } from '../support/process.ts'
import { connectRaw, exchange, rawRequest, type RawConnection } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'
import { residentBytes } from '../support/vitals.ts'

t.before(build)
t.jobs = 3

interface Bench extends Running {
  readonly port: number
}

/** The program in front of an upstream, with a deed that SIGUSR2 sets off. */
async function startWith (t: Test, deed: string, upstream: string): Promise<Bench> {
  const port = await freePort()
  const module = join(folder(t), 'deed.mjs')
  writeFileSync(module, `process.on('SIGUSR2', () => { ${deed} })`)
  const file = writeConfig(t, configOf({
    upstreams: { app: { url: upstream } }, routes: [{ path: '/*', upstream: 'app', access: 'public', maxBodyBytes: 2 ** 31 }]
  }, port))
  return { ...await serving(t, file, { NODE_OPTIONS: `--import ${pathToFileURL(module).href}` }), port }
}

/** An upstream that answers `/slow` when it is told to, and everything else at once. */
async function startSlow (t: Test) {
  let finish = (): void => {}
  const { origin } = await startUpstream(t, {
    answer: (request, response) => {
      response.write('begun')
      if (request.url === '/slow') finish = () => { response.end(' and finished') }
      else response.end()
    }
  })
  return { origin, finish: () => { finish() } }
}

/** Sends a request and waits until its answer has begun. */
async function begin (t: Test, port: number): Promise<RawConnection> {
  const connection = await connectRaw(t, port)
  connection.send(rawRequest({ target: '/slow' }))
  await until('the beginning of the answer', () => connection.rest().includes('begun'))
  return connection
}

const faults = {
  'an error that is thrown': "setImmediate(() => { throw new TypeError('canary-of-the-message') })",
  'a rejection that nobody handles': "Promise.reject(new TypeError('canary-of-the-message'))"
}

for (const [what, deed] of Object.entries(faults)) {
  t.test(`C13.5 ${what} is logged without its message; requests under way finish, and the process ends with 70`, async t => {
    const upstream = await startSlow(t)
    const { child, out, ended, port } = await startWith(t, deed, upstream.origin)
    const slow = await begin(t, port)
    child.kill('SIGUSR2')
    await until('draining', () => out().includes('"draining"'))
    await until('a closed port', async () => await connectRaw(t, port).then(() => false, () => true))
    t.equal(child.exitCode, null, 'it waits for the request')
    upstream.finish()
    t.equal((await slow.answer())?.text(), 'begun and finished')
    const { code, err } = await ended
    t.equal(code, 70)
    t.match(out(), /"level":"fatal"[^\n]*"event":"uncaught-error"[^\n]*TypeError/)
    t.notMatch(out() + err, 'canary-of-the-message')
  })
}

t.test('C13.5 a second error does not wait', async t => {
  const upstream = await startSlow(t)
  const { child, out, ended, port } = await startWith(t, faults['an error that is thrown'], upstream.origin)
  await begin(t, port)
  child.kill('SIGUSR2')
  await until('draining', () => out().includes('"draining"'))
  child.kill('SIGUSR2')
  t.equal((await ended).code, 70)
})

t.test('C13.3 after two seconds without a turn of the loop everything that waited is answered', async t => {
  const upstream = await startSlow(t)
  const { child, port } = await startWith(t, 'for (const end = Date.now() + 2000; Date.now() < end;);', upstream.origin)
  const slow = await begin(t, port)
  child.kill('SIGUSR2')
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await exchange(t, port, { target: '/x' }, { deadlineMs: 20_000 })))
  t.strictSame([...new Set(answers.map(({ status, isComplete }) => `${status} ${isComplete}`))], ['200 true'])
  upstream.finish()
  t.equal((await slow.answer())?.text(), 'begun and finished', 'what was under way goes on')
  t.equal((await exchange(t, port, { target: '/x' })).status, 200)
})

t.test('C13.4 uploads of a gigabyte that nobody takes in wait at their clients, not in memory', async t => {
  const uploads = 100
  const taken = new Set<object>()
  // Accepts, and reads nothing.
  const silent = createServer({ pauseOnConnect: true }, socket => {
    taken.add(socket)
    socket.on('error', () => {})
    t.teardown(() => { socket.destroy() })
  })
  await new Promise<void>(resolve => { silent.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { silent.close() })
  const { child, port } = await startWith(t, '', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  t.equal((await exchange(t, port, { target: '/.auth/me' })).status, 401)
  const before = residentBytes(child.pid!)
  const block = Buffer.alloc(1024 * 1024)
  const clients = await Promise.all(Array.from({ length: uploads }, async () => await connectRaw(t, port)))
  for (const { socket } of clients) {
    socket.on('error', () => {})
    socket.write(`PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${2 ** 30}\r\n\r\n`)
    const push = (): void => { while (socket.write(block)); }
    socket.on('drain', push)
    push()
  }
  await until('all uploads at the upstream', () => taken.size === uploads)
  let total = 0
  await until('nothing moves any more', async () => {
    const last = total
    await new Promise(resolve => { setTimeout(resolve, 500) })
    total = clients.reduce((sum, { socket }) => sum + socket.bytesWritten - socket.writableLength, 0)
    return total > 0 && total === last
  })
  const grown = residentBytes(child.pid!) - before
  t.comment(`${Math.round(total / 2 ** 20)} MiB were sent, memory grew by ${Math.round(grown / 2 ** 20)} MiB`)
  // Under half a mebibyte of live buffers each, and what the collector has not yet taken back: by 1.0 in all on Node 24.
  t.ok(grown < 2.5 * uploads * 2 ** 20, `${Math.round(grown / 2 ** 20)} MiB`)
  t.equal((await exchange(t, port, { target: '/.auth/me' })).status, 401, 'others are answered')
  for (const { socket } of clients) socket.destroy()
})
