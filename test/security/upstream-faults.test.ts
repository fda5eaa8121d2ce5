/**
 * C10.1-C10.4, M1, M3, M6: what an upstream does wrong becomes a coded answer, or a visible break once its header section is
 * out. It never becomes a whole-looking answer, another user's answer, or a second unsafe request.
 */
import type { Socket } from 'node:net'
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { startUpstream } from '../support/upstream.ts'

const healthy = await startUpstream(t)
const ok = 'HTTP/1.1 200 OK\r\n'
const scripts: Record<string, (socket: Socket) => void> = {
  silent: () => {},
  drop: socket => { socket.destroy() },
  reset: socket => { socket.resetAndDestroy() },
  'half-head': socket => { socket.end(`${ok}Content-`) },
  'short-body': socket => { socket.end(`${ok}Content-Length: 100\r\n\r\nhalf`) },
  'reset-body': socket => { socket.write(`${ok}Content-Length: 100\r\n\r\nhalf`, () => { setTimeout(() => { socket.resetAndDestroy() }, 50) }) },
  'short-chunks': socket => { socket.end(`${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`) },
  'bad-chunks': socket => { socket.write(`${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzzz\r\n`) },
  'paused-body': socket => { socket.write(`${ok}Content-Length: 100\r\n\r\nhalf`) },
  'until-close': socket => { socket.end(`${ok}Content-Type: text/plain\r\n\r\nwhole`) },
  'giant-field': socket => { socket.write(`${ok}X: ${'x'.repeat(100 * 1024)}\r\nContent-Length: 0\r\n\r\n`) },
  'many-cookies': socket => { socket.write(`${ok}${'Set-Cookie: a=b\r\n'.repeat(5000)}Content-Length: 0\r\n\r\n`) },
  early: socket => { socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno') },
  fine: socket => { socket.write(`${ok}Content-Length: 2\r\n\r\nok`) }
}
const bad = await startRawUpstream(t, (socket, head) => { scripts[/^[A-Z]+ \/bad\/([a-z-]+)/.exec(head)![1]!]!(socket) })
const closed = await freePort()
const gateway = await startGateway(t, {
  upstreams: {
    bad: { url: bad.origin, timeouts: { connectSeconds: 1, headersSeconds: 1, bodySeconds: 1 } },
    closed: { url: `http://127.0.0.1:${closed}` },
    // A listener whose backlog nobody accepts cannot be had on loopback; an address without a route can.
    unroutable: { url: 'http://127.255.255.255:9', timeouts: { connectSeconds: 1 } },
    healthy: { url: healthy.origin }
  },
  routes: ['bad', 'closed', 'unroutable', 'healthy'].map(name => ({ path: `/${name}/*`, upstream: name, access: 'public' }))
})

t.test('the upstream of these tests answers when it is well', async t => {
  t.equal((await exchange(t, gateway.port, { target: '/bad/fine' })).text(), 'ok')
})

const before: Record<string, readonly [status: number, code: string]> = {
  '/closed/x': [502, 'SG_UPSTREAM_UNREACHABLE'],
  '/unroutable/x': [502, 'SG_UPSTREAM_UNREACHABLE'],
  '/bad/drop': [502, 'SG_UPSTREAM_UNREACHABLE'],
  '/bad/reset': [502, 'SG_UPSTREAM_UNREACHABLE'],
  '/bad/half-head': [502, 'SG_UPSTREAM_UNREACHABLE'],
  '/bad/silent': [504, 'SG_UPSTREAM_TIMEOUT'],
  '/bad/giant-field': [502, 'SG_UPSTREAM_UNREACHABLE'],
  '/bad/many-cookies': [502, 'SG_UPSTREAM_UNREACHABLE']
}

for (const [target, [status, code]] of Object.entries(before)) {
  t.test(`C2.14, C10.1, C10.2 ${target} fails before its header section is out: ${status}`, async t => {
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target }))
    const answer = await connection.answer({ deadlineMs: 5000 })
    t.equal(answer?.status, status)
    t.equal(answer?.header('scopegate-error'), code)
    t.ok(answer?.isComplete)
    connection.send(rawRequest({ target: '/healthy/x' }))
    t.equal((await connection.answer())?.status, 200, 'the client\'s connection goes on')
  })
}

for (const kind of ['short-body', 'reset-body', 'short-chunks', 'bad-chunks', 'paused-body']) {
  t.test(`X15, C10.4 ${kind}: an upstream that dies within its body leaves a visibly broken answer`, async t => {
    for (const version of ['1.1', '1.0']) {
      const connection = await connectRaw(t, gateway.port)
      connection.send(`GET /bad/${kind} HTTP/${version}\r\nHost: localhost\r\n\r\n`)
      t.ok(await connection.isClosedWithin(5000), 'the connection is closed')
      if (version === '1.0' && kind.endsWith('chunks')) continue
      const answer = await connection.answer()
      t.equal(answer?.status, 200)
      t.equal(answer?.isComplete, false, 'the message is not ended')
      t.notMatch(answer?.body.toString('latin1') ?? '', /\r\n0\r\n/)
    }
  })
}

t.test('a body that only the end of the connection ends is whole', async t => {
  const answer = await exchange(t, gateway.port, { target: '/bad/until-close' })
  t.equal(answer.text(), 'whole')
  t.ok(answer.isComplete)
})

t.test('a final answer is passed on while the upload still runs', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /bad/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nbegin')
  const answer = await connection.answer({ deadlineMs: 5000 })
  t.equal(answer?.status, 403)
  t.equal(answer?.text(), 'no')
  t.ok(await connection.isClosedWithin(5000), 'then the connection closes: what is left of the body cannot be told from a request')
})

t.test('GHSA-8xcm-r25x-g524, C10.7 an unsafe request is sent once, whatever happens', async t => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const kind of ['drop', 'reset', 'half-head']) {
      const count = bad.requests.length
      const { status } = await exchange(t, gateway.port, { method, target: `/bad/${kind}`, body: 'x' }, { deadlineMs: 10_000 })
      t.equal(status, 502)
      t.equal(bad.requests.length, count + 1, `${method} ${kind}`)
    }
  }
})

t.test('C10.7 a safe request is sent twice at most', async t => {
  const count = bad.requests.length
  t.equal((await exchange(t, gateway.port, { target: '/bad/drop' })).status, 502)
  t.ok(bad.requests.length - count <= 2)
})

t.test('many faults at once leave the gateway well, and others alone', async t => {
  const kinds = ['drop', 'reset', 'half-head', 'short-body', 'short-chunks', 'bad-chunks', 'giant-field', 'fine']
  const all = Array.from({ length: 160 }, (_, i) => kinds[i % kinds.length]!)
  const answers = await Promise.all(all.map(async kind => await exchange(t, gateway.port, { target: `/bad/${kind}` }, { deadlineMs: 5000 })))
  t.ok(answers.every((answer, i) => all[i] !== 'fine' || answer.text() === 'ok'))
  t.equal((await exchange(t, gateway.port, { target: '/healthy/x' })).status, 200)
  t.notMatch(gateway.logged(), /unexpected error/)
})
