/**
 * This file checks that clients that leave or stop reading hold nothing of an upstream: not when they pipelined, not when they
 * left while a guard was waiting, not when they read nothing.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const big = Buffer.alloc(300_000, 'x')

async function start (t: Test) {
  const app = await startUpstream(t, {
    answer (request, response) {
      if (request.url === '/slow') setTimeout(() => { response.end('slow') }, 500)
      else response.end(request.url === '/huge' ? Buffer.alloc(20_000_000, 'x') : request.url === '/big' ? big : 'small')
    }
  })
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin, timeouts: { connectSeconds: 1, headersSeconds: 2, bodySeconds: 2 } } },
    routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  })
  return { app, gateway, browser: createBrowser(t) }
}

async function dial (t: Test, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => { socket.destroy() })
  await new Promise<void>(resolve => { socket.once('connect', resolve) })
  return socket
}

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`

t.test('a client that pipelines and leaves frees everything', async t => {
  const { app, gateway, browser } = await start(t)
  const socket = await dial(t, gateway.port)
  socket.write(get('/slow') + get('/big').repeat(400))
  await delay(200)
  socket.destroy()
  await delay(1000)
  await until('nothing in flight', () => app.inFlight() === 0)
  t.equal((await browser.fetch(`${gateway.url}/small`)).status, 200)
})

t.test('clients that read nothing are cut, and the upstream is there for others', async t => {
  const { gateway, browser } = await start(t)
  const sockets = await Promise.all(Array.from({ length: 140 }, async () => await dial(t, gateway.port)))
  for (const socket of sockets) {
    socket.pause()
    socket.write(get('/huge'))
  }
  await delay(4500)
  await until('room for others', async () => (await browser.fetch(`${gateway.url}/small`)).status === 200)
})

t.test('clients that leave while their token is being got free everything', async t => {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/orders/*', upstream: 'orders' }, { path: '/*', upstream: 'app' }],
    entra: { initialScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read'] }
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await browser.go(`${gateway.url}/`)
  const cookie = `scopegate=${browser.cookies(gateway.url).get('scopegate')}`
  entra.admin.fault({ endpoint: 'token', delayMs: 1000, times: 1 })
  const sockets = await Promise.all(Array.from({ length: 300 }, async () => await dial(t, gateway.port)))
  for (const socket of sockets) socket.write(`GET /orders/x HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`)
  await delay(300)
  for (const socket of sockets) socket.destroy()
  await delay(1500)
  for (let i = 0; i < 200; i++) {
    const reply = await browser.fetch(`${gateway.url}/orders/${i}`)
    if (reply.status !== 200) t.fail(`request ${i} got ${reply.status}`)
  }
  await until('nothing in flight', () => app.inFlight() === 0)
})
