/**
 * C10.7, M6: an idle connection that the upstream closes as we write into it costs a safe request nothing, and everything
 * else one answer 502. Nothing else is ever sent twice.
 */
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { challengeFor, newerClaims } from '../support/challenges.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { signIn } from '../support/signed-in.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Answers the first request of each connection, and does to the second what the test says. */
async function start (t: Test, second: (socket: Socket, head: string) => void) {
  const served = new WeakSet<Socket>()
  const upstream = await startRawUpstream(t, (socket, head) => {
    if (served.has(socket)) second(socket, head)
    else socket.write(ok)
    served.add(socket)
  })
  const gateway = await startGateway(t, {
    upstreams: { app: { url: upstream.origin, timeouts: { headersSeconds: 1 } } },
    routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  })
  t.equal((await exchange(t, gateway.port, { target: '/first' })).status, 200)
  const hits = (target: string): number => upstream.requests.filter(head => head.includes(` ${target} `)).length
  return { gateway, hits }
}

const closings: Record<string, (socket: Socket) => void> = {
  'closes it': socket => { socket.destroy() },
  'ends it': socket => { socket.end() },
  'resets it': socket => { socket.resetAndDestroy() }
}

for (const [what, close] of Object.entries(closings)) {
  for (const method of ['GET', 'HEAD']) {
    t.test(`C10.7 ${method} on a used connection is sent once more when the upstream ${what}`, async t => {
      const { gateway, hits } = await start(t, close)
      t.equal((await exchange(t, gateway.port, { method, target: '/second' })).status, 200)
      t.equal(hits('/second'), 2)
    })
  }
}

t.test('C10.7 every other request is sent once', async t => {
  for (const [what, close] of Object.entries(closings)) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const { gateway, hits } = await start(t, close)
      const answer = await exchange(t, gateway.port, { method, target: '/second', ...(method === 'OPTIONS' ? {} : { body: 'x' }) })
      t.equal(answer.status, 502, `${method}: the upstream ${what}`)
      t.equal(hits('/second'), 1)
    }
    const { gateway, hits } = await start(t, close)
    t.equal((await exchange(t, gateway.port, { target: '/second', body: 'x' })).status, 502, `GET with a body: the upstream ${what}`)
    t.equal(hits('/second'), 1)
  }
})

t.test('C10.7 what has begun to be answered is not sent again, nor what is not answered', async t => {
  const kinds: Record<string, [close: (socket: Socket) => void, status: number]> = {
    'a first byte': [socket => { socket.end('H') }, 502],
    'half a head': [socket => { socket.end('HTTP/1.1 200 OK\r\nContent-') }, 502],
    'an interim answer': [socket => { socket.end('HTTP/1.1 103 Early Hints\r\n\r\n') }, 502],
    garbage: [socket => { socket.end('\0\0\0') }, 502],
    silence: [() => {}, 504]
  }
  for (const [what, [close, status]] of Object.entries(kinds)) {
    const { gateway, hits } = await start(t, close)
    t.equal((await exchange(t, gateway.port, { target: '/second' }, { deadlineMs: 5000 })).status, status, what)
    t.equal(hits('/second'), 1, what)
  }
})

t.test('C10.7 it is sent once more and not again', async t => {
  const upstream = await startRawUpstream(t, (socket, head) => {
    if (head.includes('/first')) socket.write(ok)
    else socket.destroy()
  })
  const gateway = await startGateway(t, { upstreams: { app: { url: upstream.origin } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] })
  await Promise.all([1, 2, 3].map(async () => await exchange(t, gateway.port, { target: '/first' })))
  t.equal((await exchange(t, gateway.port, { target: '/second' })).status, 502)
  t.equal(upstream.requests.filter(head => head.includes('/second')).length, 2)
  t.equal((await exchange(t, gateway.port, { target: '/third' })).status, 502, 'on a new connection')
  t.ok(upstream.requests.filter(head => head.includes('/third')).length <= 2)
})

/**
 * Keeps four idle connections; requests for `/second` are then answered by the steps, in order. While the token is renewed
 * another request takes the connection whose place became free: what is sent once more then goes out on a used one.
 */
async function startChallenged (t: Test, ...steps: Array<(socket: Socket) => void>) {
  const held: Socket[] = []
  const upstream = await startRawUpstream(t, (socket, head) => {
    if (head.includes(' /second ')) step(socket)
    else if (head.includes(' /warm ') && held.push(socket) === 4) for (const one of held) one.write(ok)
    else if (!/ \/(?:warm|held) /.test(head)) socket.write(ok)
  })
  const entra = await startEntra(t)
  const scopes = ['api://orders/Orders.Read']
  const gateway = await startGateway(t, {
    emulator: entra, upstreams: { app: { url: upstream.origin, scopes } }, routes: [{ path: '/*', upstream: 'app', csrf: 'off' }], entra: { initialScopes: scopes }
  })
  const { cookie } = await signIn(t, { url: gateway.url, entra })
  await Promise.all([1, 2, 3, 4].map(async () => await exchange(t, gateway.port, { target: '/warm', cookie })))
  entra.admin.fault({ endpoint: 'token', delayMs: 200 })

  function step (socket: Socket): void {
    const next = steps.shift()!
    next(socket)
    if (next === challenge) setTimeout(() => { exchange(t, gateway.port, { target: '/held', cookie }).catch(() => {}) }, 50)
  }

  const hits = (): number => upstream.requests.filter(head => head.includes(' /second ')).length
  const send = async (method: string, body?: string): Promise<number> =>
    (await exchange(t, gateway.port, { method, target: '/second', cookie, ...(body === undefined ? {} : { body }) })).status
  return { send, hits }
}

const challenge = (socket: Socket): void => {
  socket.write(`HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ${challengeFor(newerClaims)}\r\nContent-Length: 0\r\n\r\n`)
}
const close = closings['closes it']!
const answer = (socket: Socket): void => { socket.write(ok) }

t.test('C10.7 a claims challenge and a closed connection each have a request sent once more, and no more together', async t => {
  const replayed = await startChallenged(t, challenge, close, answer)
  t.equal(await replayed.send('GET'), 200, 'what is sent with another token is sent again too')
  t.equal(replayed.hits(), 3)
  const repeated = await startChallenged(t, close, challenge, answer)
  t.equal(await repeated.send('GET'), 200)
  t.equal(repeated.hits(), 3)
  const again = await startChallenged(t, close, challenge, close, answer)
  t.equal(await again.send('GET'), 502)
  t.equal(again.hits(), 3)
})

t.test('C10.7 a POST is never sent more than twice', async t => {
  const closed = await startChallenged(t, challenge, close, answer)
  t.equal(await closed.send('POST', 'x'), 502)
  t.equal(closed.hits(), 2)
  const challenged = await startChallenged(t, challenge, challenge, answer)
  t.equal(await challenged.send('POST', 'x'), 403)
  t.equal(challenged.hits(), 2)
})
