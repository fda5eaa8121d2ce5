/**
 * C10.1, C10.10: names that do not resolve are an upstream that is not there, and an upstream that restarts or moves loses
 * no safe request.
 */
import dns from 'node:dns'
import { createServer, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

/** Where the names of these tests lead to; what is not here leads nowhere. `silent.test` is asked for in vain. */
const addresses = new Map<string, string>()

/** There is no way to give the system another resolver for a test: this stands where Node asks it. */
const lookup = dns.lookup
function testLookup (name: string, options: dns.LookupOptions, done: (...result: unknown[]) => void): void {
  if (!name.endsWith('.test')) {
    lookup(name, options, done as never)
    return
  }
  if (name === 'silent.test') return
  const address = addresses.get(name)
  if (address === undefined) process.nextTick(done, Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' }))
  else if (options.all === true) process.nextTick(done, null, [{ address, family: 4 }])
  else process.nextTick(done, null, address, 4)
}
dns.lookup = testLookup as never
t.teardown(() => { dns.lookup = lookup })

async function listen (server: Server, host: string, port = 0): Promise<number> {
  await new Promise<void>(resolve => { server.listen(port, host, resolve) })
  return (server.address() as AddressInfo).port
}

/** Ends as programs do on SIGTERM: no new connections, and idle ones are closed whenever there are any. */
async function retire (server: Server): Promise<void> {
  const idle = setInterval(() => { server.closeIdleConnections() }, 5)
  await new Promise(resolve => { server.close(resolve) })
  clearInterval(idle)
}

/** An application, and how often it was dialled by a balancer in front of it and accepted that. */
interface Backend {
  readonly server: Server
  readonly port: number
  dialled: number
  accepted: number
}

async function startBackend (): Promise<Backend> {
  const server = startApp()
  const backend = { server, port: await listen(server, '127.0.0.1'), dialled: 0, accepted: 0 }
  server.on('connection', () => { backend.accepted++ })
  return backend
}

function startApp (): Server {
  return createServer((_request, response) => { setTimeout(() => { response.end('ok') }, 5) })
}

/** Requests on four connections, about a hundred a second together, until told to stop. */
function load (t: Test, port: number) {
  const statuses: Array<number | undefined> = []
  const end = new AbortController()
  const clients = Promise.all(Array.from({ length: 4 }, async () => {
    let connection = await connectRaw(t, port)
    while (!end.signal.aborted) {
      connection.send(rawRequest({ target: '/x' }))
      const answer = await connection.answer({ deadlineMs: 10_000 })
      statuses.push(answer?.status)
      if (answer === undefined) connection = await connectRaw(t, port)
      await delay(35)
    }
  }))
  return { statuses, stop: async () => { end.abort(); await clients } }
}

t.test('C10.1 a name that does not exist, and one that nobody answers for', async t => {
  const healthy = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: {
      unknown: { url: 'http://unknown.test:9', timeouts: { connectSeconds: 1 } },
      silent: { url: 'http://silent.test:9', timeouts: { connectSeconds: 1 } },
      healthy: { url: healthy.origin }
    },
    routes: ['unknown', 'silent', 'healthy'].map(name => ({ path: `/${name}/*`, upstream: name, access: 'public' }))
  })
  for (const [name, status, code] of [['unknown', 502, 'SG_UPSTREAM_UNREACHABLE'], ['silent', 504, 'SG_UPSTREAM_TIMEOUT']] as const) {
    const waiting = exchange(t, gateway.port, { target: `/${name}/x` }, { deadlineMs: 10_000 })
    t.equal((await exchange(t, gateway.port, { target: '/healthy/x' })).status, 200, 'others are served meanwhile')
    const answer = await waiting
    t.equal(answer.status, status, name)
    t.equal(answer.header('scopegate-error'), code)
    t.notMatch(answer.text(), /\.test|ENOTFOUND|getaddrinfo/)
  }
})

t.test('C10.10 an upstream that is replaced again and again behind its balancer loses no GET', async t => {
  let current = await startBackend()
  const sockets = new Set<Socket>()
  const balancer = createTcpServer({ allowHalfOpen: true }, client => {
    current.dialled++
    const server = connect({ port: current.port, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    // An end passes by itself, a reset does not: the gateway would wait for an answer that nobody is going to give.
    server.once('close', hadError => { if (hadError) client.destroy() })
    client.pipe(server).pipe(client)
  })
  await new Promise<void>(resolve => { balancer.listen(0, '127.0.0.1', resolve) })
  const retired: Array<Promise<void>> = []
  t.teardown(async () => {
    await retire(current.server)
    for (const socket of sockets) socket.destroy()
    balancer.close()
  })
  const gateway = await startGateway(t, {
    upstreams: { app: { url: `http://127.0.0.1:${(balancer.address() as AddressInfo).port}` } },
    routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  })
  const { statuses, stop } = load(t, gateway.port)
  for (let i = 0; i < 10; i++) {
    await delay(300)
    const before = current
    current = await startBackend()
    // What the balancer has begun to open is accepted first: a listener that closes resets the rest of its queue.
    await until('all of its connections', () => before.accepted === before.dialled)
    retired.push(retire(before.server))
  }
  await until('enough requests', () => statuses.length > 100)
  await stop()
  await Promise.all(retired)
  t.strictSame(statuses.filter(status => status !== 200), [])
})

t.test('C10.10 an upstream whose name leads elsewhere from now on loses no GET', async t => {
  const [before, after] = [startApp(), startApp()]
  const port = await listen(before, '127.0.0.1')
  await listen(after, '127.0.0.2', port)
  t.teardown(async () => { await retire(after) })
  addresses.set('moving.test', '127.0.0.1')
  const gateway = await startGateway(t, {
    upstreams: { app: { url: `http://moving.test:${port}` } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  })
  let moved = 0
  after.on('request', () => { moved++ })
  const { statuses, stop } = load(t, gateway.port)
  await delay(500)
  t.equal(moved, 0)
  addresses.set('moving.test', '127.0.0.2')
  await retire(before)
  await until('requests at the new place', () => moved > 5)
  await stop()
  t.strictSame(statuses.filter(status => status !== 200), [])
})
