/**
 * M8: who waits for a connection to an upstream counts until its turn comes, also when it has left, and nobody waits longer
 * than for an answer.
 */
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { eventually } from '../support/signed-in.ts'

const connections = 128
const waiting = 256

async function start (t: Test) {
  const held: Socket[] = []
  const upstream = await startRawUpstream(t, (socket, head) => {
    if (head.includes(' /held/')) {
      // An answer that has begun has only the deadline of its body, which is long.
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe')
      held.push(socket)
    } else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const gateway = await startGateway(t, {
    upstreams: { app: { url: upstream.origin, timeouts: { headersSeconds: 30, bodySeconds: 60 } } },
    routes: [
      { path: '/short/*', upstream: 'app', access: 'public', timeouts: { headersSeconds: 1 } },
      { path: '/*', upstream: 'app', access: 'public' }
    ]
  })
  const send = async (target: string) => {
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target }))
    return connection
  }
  await Promise.all(Array.from({ length: connections }, async () => await send('/held/x')))
  t.ok(await eventually(() => held.length === connections, 10_000), 'every connection is taken')
  return { gateway, upstream, send, release: () => { for (const socket of held) socket.write('llo') } }
}

t.test('who leaves while it waits counts until its turn comes, and is then dropped', async t => {
  const { gateway, upstream, send, release } = await start(t)
  const queued = await Promise.all(Array.from({ length: waiting }, async () => await send('/queued/x')))
  let refused = await exchange(t, gateway.port, { target: '/one-more' }, { deadlineMs: 10_000 })
  t.equal(refused.status, 503, 'the queue is full')
  for (const { socket } of queued) socket.destroy()
  refused = await exchange(t, gateway.port, { target: '/one-more' }, { deadlineMs: 10_000 })
  t.equal(refused.status, 503, 'nobody can make room for more by leaving')
  t.equal(refused.header('scopegate-error'), 'SG_OVERLOADED')
  t.equal(refused.header('retry-after'), '1')
  release()
  let status = 0
  const until = Date.now() + 10_000
  while (status !== 200 && Date.now() < until) status = (await exchange(t, gateway.port, { target: '/after' }, { deadlineMs: 10_000 })).status
  t.equal(status, 200, 'once their turn has come there is room')
  t.notOk(upstream.requests.some(head => head.includes('/queued/')), 'and the upstream never had them')
  t.equal((await Promise.all(Array.from({ length: 50 }, async () => await exchange(t, gateway.port, { target: '/after' }, { deadlineMs: 10_000 }))))
    .filter(answer => answer.status === 200).length, 50)
})

t.test('who waits for a connection longer than for an answer gets 503, and the upstream never has it', async t => {
  const { gateway, upstream, release } = await start(t)
  const started = performance.now()
  const answer = await exchange(t, gateway.port, { target: '/short/x' }, { deadlineMs: 20_000 })
  t.equal(answer.status, 503)
  t.equal(answer.header('scopegate-error'), 'SG_OVERLOADED')
  t.equal(answer.header('retry-after'), '1')
  t.ok(performance.now() - started >= 900, 'after its deadline, not before')
  release()
  t.equal((await exchange(t, gateway.port, { target: '/after' }, { deadlineMs: 10_000 })).status, 200)
  t.notOk(upstream.requests.some(head => head.includes('/short/')))
})

t.test('who waits within its deadline is served when a connection is free', async t => {
  const { send, release } = await start(t)
  const connection = await send('/patient/x')
  t.equal(await connection.answer({ deadlineMs: 500 }), undefined)
  release()
  t.equal((await connection.answer({ deadlineMs: 10_000 }))?.status, 200)
})
