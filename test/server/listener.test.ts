/** This file checks what the listener hands to a gateway and what it refuses itself, without a gateway behind it. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { createListener } from '../../src/server/listener.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { configText, mustLoad } from '../config/support.ts'
import { startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { connectRaw } from '../support/raw.ts'

async function listen (t: Test, limits: Record<string, number> = {}) {
  const port = await freePort()
  const { server } = mustLoad(configText({
    server: `server: { publicUrl: "https://gw.example", host: 127.0.0.1, port: ${port}, limits: ${JSON.stringify(limits)} }`
  }))
  const handled: Array<Pick<IncomingMessage, 'method' | 'target'> & { host: string | undefined }> = []
  let logged = ''
  const listener = createListener(server, {
    isKnownHost: host => host === 'gw.example',
    requestIdOf: () => randomUUID(),
    handle: (request, response) => {
      handled.push({ method: request.method, target: request.target!, host: request.headers.host })
      response.end('handled')
    },
    endWebSockets: () => {},
    markCut: () => {}
  }, createLog('trace', { write: line => { logged += line } }))
  await listener.listen()
  t.teardown(async () => { await listener.close({ serveOnMs: 0, drainMs: 0 }) })
  async function ask (head: string) {
    const connection = await connectRaw(t, port)
    connection.send(`${head}\r\n\r\n`)
    const answer = await connection.answer()
    return { status: answer?.status, answer, connection }
  }
  return { ask, handled, logged: () => logged, listener }
}

t.test('a good request reaches the gateway with its canonical target', async t => {
  const { ask, handled } = await listen(t)
  t.equal((await ask('GET /%61dmin?x=%2e HTTP/1.1\r\nHost: GW.example:8443')).status, 200)
  t.equal((await ask('GET https://gw.example/b HTTP/1.1\r\nHost: evil.example')).status, 200, 'the authority of an absolute target replaces Host')
  t.match(handled, [
    { method: 'GET', host: 'gw.example', target: { kind: 'target', path: '/admin', routePath: '/admin', query: '?x=%2e' } },
    { method: 'GET', host: 'gw.example', target: { kind: 'target', path: '/b', query: '' } }
  ])
})

t.test('what is refused before any route never reaches the gateway, and ends its connection', async t => {
  const { ask, handled, logged } = await listen(t)
  const rows: Array<[head: string, status: number]> = [
    ['GET /../admin HTTP/1.1\r\nHost: gw.example', 400],
    ['GET /secret-path/%00 HTTP/1.1\r\nHost: gw.example', 400],
    ['GET / HTTP/1.1', 400],
    ['GET / HTTP/1.1\r\nHost: gw.example\r\nHost: gw.example', 400],
    ['GET / HTTP/1.1\r\nHost: ', 400],
    ['GET / HTTP/1.1\r\nHost: gw.example/x', 400],
    ['GET / HTTP/1.1\r\nHost: user@gw.example', 400],
    ['GET / HTTP/1.1\r\nHost: gw.example, evil.example', 400],
    ['GET / HTTP/1.1\r\nHost: evil.example', 421],
    ['GET / HTTP/1.1\r\nHost: gw.example.evil.example', 421],
    ['GET http://evil.example/ HTTP/1.1\r\nHost: gw.example', 421],
    ['TRACE / HTTP/1.1\r\nHost: gw.example', 405],
    ['OPTIONS * HTTP/1.1\r\nHost: gw.example', 400],
    [`GET /${'a'.repeat(8192)} HTTP/1.1\r\nHost: gw.example`, 414],
    [`GET / HTTP/1.1\r\nHost: gw.example\r\n${Array.from({ length: 100 }, (_, i) => `X-${i}: 1`).join('\r\n')}`, 431],
    ['GET / HTTP/1.1\r\nHost: gw.example\r\nCookie: a=1\r\nCookie: b=2', 400]
  ]
  for (const [head, expected] of rows) {
    const { status, answer, connection } = await ask(head)
    const what = head.slice(0, 60)
    t.equal(status, expected, what)
    t.equal(answer!.header('content-type'), 'application/problem+json')
    t.equal(answer!.header('cache-control'), 'no-store')
    t.equal(answer!.header('scopegate-error'), 'SG_TARGET_INVALID')
    t.match(answer!.json(), { code: 'SG_TARGET_INVALID', status: expected, requestId: /^[0-9a-f-]{36}$/ })
    t.match(logged(), answer!.json().requestId, 'it can be found in the log')
    t.ok(await connection.isClosedWithin(5000), what)
  }
  t.same(handled, [])
  t.notMatch(logged(), /secret-path|evil|user@/, 'the log repeats nothing that was sent')
})

t.test('a host is compared without port, final dot and letter case', async t => {
  const { ask } = await listen(t)
  for (const host of ['gw.example', 'GW.EXAMPLE', 'gw.example:443', 'gw.example:1', 'gw.example.', 'Gw.Example.:8443']) {
    t.equal((await ask(`GET / HTTP/1.1\r\nHost: ${host}`)).status, 200, host)
  }
  for (const host of ['gw.example:', 'gw.example:x', 'gw.example:123456', 'gw.example..', '.gw.example', 'gw.example:443:443', '[gw.example]', '%67w.example']) {
    t.match(String((await ask(`GET / HTTP/1.1\r\nHost: ${host}`)).status), /^4(?:00|21)$/, host)
  }
})

t.test('a header section over the limit is 431', async t => {
  const { ask, handled } = await listen(t, { maxHeaderBytes: 8192 })
  t.equal((await ask(`GET / HTTP/1.1\r\nHost: gw.example\r\nX: ${'a'.repeat(9000)}`)).status, 431)
  t.same(handled, [])
})

t.test('an endpoint under /.auth is reached by its exact name only (security.md, T5)', async t => {
  const gateway = await startGateway(t, { upstreams: { app: { url: 'http://127.0.0.1:1' } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] })
  async function statusOf (path: string): Promise<number | undefined> {
    const connection = await connectRaw(t, gateway.port)
    connection.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    return (await connection.answer())?.status
  }
  t.equal(await statusOf('/.auth/me'), 401, 'nobody is signed in')
  t.equal(await statusOf('/.%61uth/me'), 401, 'the same path, canonical')
  for (const path of ['/.auth', '/.auth/', '/.auth/me/', '/.auth/ME', '/.AUTH/me', '/.Auth/me', '/.auth/none', '/.auth%2Fme', '/.auth%2fme', '/.auth%5Cme', '/.auth/logout%2Fdone']) {
    t.match(String(await statusOf(path)), /^40[04]$/, path)
  }
})
