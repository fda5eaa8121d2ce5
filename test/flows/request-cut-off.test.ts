/**
 * This file checks that a request whose answer does not get to its end has its line in the log and its place in the metrics, too:
 * nobody stays out of them by hanging up.
 */
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, type RawConnection, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/redis.ts'
import { scrapeSeries } from '../support/scrape.ts'
import { signIn } from '../support/signed-in.ts'

const handshake = [
  ['Origin', 'https://page.example'], ['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']
] as const
const starts: Readonly<Record<string, string>> = {
  length: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc',
  chunked: 'HTTP/1.1 203 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  large: `HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n${'x'.repeat(8_000_000)}`,
  fine: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  open: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
}

/** @param holder - the test that clients end with */
async function startWorld (t: Test, holder = t) {
  const entra = await startEntra(t)
  const ends = new Map<string, Socket>()
  const upstream = await startRawUpstream(t, (socket, head) => {
    const path = head.split(' ')[1]!
    ends.set(path, socket)
    socket.write(starts[path.split('/')[2]!] ?? '')
  })
  const access = { upstream: 'app', access: 'public' }
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: upstream.origin }, reports: { url: upstream.origin, scopes: ['api://reports/Reports.Read'] } },
    routes: [
      { path: '/stream/*', streaming: true, ...access },
      { path: '/plain/*', ...access },
      { path: '/fence/*', ...access },
      { path: '/live/*', websocket: true, allowedOrigins: ['https://page.example'], ...access },
      { path: '/mine/*', upstream: 'app', streaming: true },
      { path: '/reports/*', upstream: 'reports' }
    ],
    server: { management: { port: 0 } },
    entra: { initialScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read'] },
    logging: { samplePercent: 0, slowSeconds: 3600 }
  })
  const { port, managementPort, logged } = gateway
  const lines = (path: string): any[] =>
    logged().split('\n').filter(line => line.includes(`"path":"${path}"`)).map(line => JSON.parse(line))

  /** The number of requests so far, by route and status, and how many of the route there are durations of. */
  async function counts (): Promise<Record<string, number>> {
    const all = await scrapeSeries(managementPort)
    const sums: Record<string, number> = {}
    for (const { name, labels, value } of all) {
      const label = name === 'scopegate_requests_total' ? `${labels.route} ${labels.status}` : `${labels.route} all`
      if (/_requests_total$|_duration_seconds_count$/.test(name)) sums[label] = (sums[label] ?? 0) + value
    }
    return sums
  }

  /** A request that is at its upstream, or in the middle of its answer. */
  async function begin (path: string, request: object = {}, body = ''): Promise<{ client: RawConnection, end: Socket }> {
    const client = await connectRaw(holder, port)
    client.send(rawRequest({ target: path, ...request }) + body)
    await until(`${path} at its upstream`, () => ends.has(path))
    return { client, end: ends.get(path)! }
  }

  /** What the only line of a path says, and by how much the counts of its route and status, and of its durations, have grown. */
  async function recorded (path: string, before: Record<string, number>): Promise<{ line: any, counted: number[] }> {
    await until(`a line for ${path}`, () => lines(path).length > 0)
    // What would come twice has come by then.
    await exchange(t, port, { target: '/fence/fine' })
    const [line, ...more] = lines(path)
    t.same(more, [], `one line for ${path}`)
    const after = await counts()
    return { line, counted: [`${line.route} ${line.status}`, `${line.route} all`].map(label => after[label]! - (before[label] ?? 0)) }
  }

  async function told (t: Test, path: string, before: Record<string, number>, wanted: object): Promise<void> {
    const { line, counted } = await recorded(path, before)
    t.match(line, wanted, path)
    t.equal(typeof line.ms, 'number')
    t.equal(line.samplePercent, undefined, 'it stands for itself')
    t.same(counted, [1, 1], `one count for ${path}`)
  }
  return { entra, gateway, ends, begin, counts, told, lines }
}

const world = await startWorld(t)
const { begin, counts, told } = world

async function arrived (client: RawConnection): Promise<void> {
  await until('the beginning of an answer', () => client.rest().includes('abc'))
}

t.test('the client leaves while the upstream is thinking', async t => {
  for (const route of ['plain', 'stream']) {
    const before = await counts()
    const { client } = await begin(`/${route}/think`)
    client.socket.destroy()
    await told(t, `/${route}/think`, before, { status: 499, cutOff: 'client', method: 'GET', route: `/${route}/*` })
  }
})

t.test('the client resets its connection, or closes its half of it', async t => {
  for (const [name, leave] of [['reset', (socket: Socket) => { socket.resetAndDestroy() }], ['half', (socket: Socket) => { socket.end() }]] as const) {
    const before = await counts()
    const { client } = await begin(`/plain/${name}`)
    leave(client.socket)
    await told(t, `/plain/${name}`, before, { status: 499, cutOff: 'client' })
  }
})

t.test('the client leaves in the middle of an answer', async t => {
  for (const [path, status] of [['/stream/chunked', 203], ['/plain/length/left', 200]] as const) {
    const before = await counts()
    const { client } = await begin(path)
    await arrived(client)
    client.socket.destroy()
    await told(t, path, before, { status, cutOff: 'client' })
  }
})

t.test('the client reads nothing, and leaves with the last bytes still to come', async t => {
  const before = await counts()
  const { client } = await begin('/plain/large')
  client.socket.pause()
  client.socket.resetAndDestroy()
  await told(t, '/plain/large', before, { cutOff: 'client' })
})

t.test('the upstream breaks in the middle of its answer', async t => {
  for (const [path, status] of [['/plain/length', 200], ['/plain/chunked', 203], ['/stream/length', 200]] as const) {
    const before = await counts()
    const { client, end } = await begin(path)
    await arrived(client)
    end.destroy()
    t.ok(await client.isClosedWithin(30_000))
    await told(t, path, before, { status, cutOff: 'upstream' })
  }
})

t.test('the client leaves during its upload', async t => {
  for (const [path, field] of [['/plain/declared', ['Content-Length', '100']], ['/plain/undeclared', ['Transfer-Encoding', 'chunked']]] as const) {
    const before = await counts()
    const { client } = await begin(path, { method: 'POST', fields: [field] }, '5\r\nabcde\r\n')
    client.socket.destroy()
    await told(t, path, before, { status: 499, cutOff: 'client', method: 'POST' })
  }
})

t.test('requests that wait behind another on their connection are told with it', async t => {
  const before = await counts()
  const { client } = await begin('/plain/first')
  client.send(rawRequest({ target: '/plain/second' }) + rawRequest({ target: '/plain/fine/third' }))
  await until('the last at its upstream', () => world.ends.has('/plain/fine/third'))
  client.socket.destroy()
  for (const path of ['/plain/first', '/plain/second', '/plain/fine/third']) {
    await until(`a line for ${path}`, () => world.lines(path).length > 0)
    t.equal(world.lines(path).length, 1)
  }
  t.match(['first', 'second', 'fine/third'].map(name => world.lines(`/plain/${name}`)[0].cutOff), ['client', 'client', 'client'])
  const after = await counts()
  t.equal(after['/plain/* 499']! - (before['/plain/* 499'] ?? 0), 2)
})

t.test('the client leaves while the provider is asked for its token', async t => {
  const { gateway: { url, port }, entra } = world
  const { cookie } = await signIn(t, { url, entra })
  const tokenRequests = (): number => entra.requests().filter(({ endpoint }) => endpoint === 'token').length
  const asked = tokenRequests()
  entra.admin.fault({ endpoint: 'token', delayMs: 1000, times: 1 })
  const before = await counts()
  const client = await connectRaw(t, port)
  client.send(rawRequest({ target: '/reports/fine', cookie }))
  await until('the request for the token', () => tokenRequests() > asked)
  client.socket.destroy()
  await told(t, '/reports/fine', before, { status: 499, cutOff: 'client' })
})

t.test('a stream that ends with its session was cut off by the gateway', async t => {
  const { gateway: { url }, entra } = world
  const { cookie, browser } = await signIn(t, { url, entra })
  const before = await counts()
  const { client } = await begin('/mine/chunked', { cookie })
  await arrived(client)
  await browser.visit(`${url}/.auth/logout`)
  t.ok(await client.isClosedWithin(60_000))
  await told(t, '/mine/chunked', before, { status: 203, cutOff: 'gateway' })
})

t.test('a WebSocket whose client leaves before it is open', async t => {
  const before = await counts()
  const { client } = await begin('/live/dial', { fields: handshake })
  client.socket.destroy()
  await told(t, '/live/dial', before, { status: 499, cutOff: 'client' })
})

t.test('what got to its end is not cut off', async t => {
  const before = await counts()
  const { client } = await begin('/live/open', { fields: handshake })
  t.equal((await client.answer())?.status, 101)
  client.socket.destroy()
  await until('its end', () => world.gateway.logged().includes('websocket-closed'))
  await exchange(t, world.gateway.port, { target: '/plain/fine/1' })
  await exchange(t, world.gateway.port, { target: '/unknown' })
  const after = await counts()
  t.equal(after['/live/* 101']! - (before['/live/* 101'] ?? 0), 1)
  t.equal(after['/live/* 499']!, before['/live/* 499'])
  t.same(world.lines('/live/open'), [], 'left out by the sample')
  t.match(world.lines('/unknown'), [{ status: 401, cutOff: undefined }])
})

t.test('what is under way when the time of the process is over was cut off by it', async t => {
  let lines: (path: string) => any[] = () => []
  await t.test('a process that ends at once', async ending => {
    const world = await startWorld(ending, t)
    lines = world.lines
    await world.begin('/plain/last')
  })
  t.match(lines('/plain/last'), [{ status: 499, cutOff: 'gateway' }])
})
