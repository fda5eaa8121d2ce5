/**
 * X7: fields of a client made the stock proxy answer 500: `Keep-Alive: x`, `Upgrade: h2c` alone, `Expect: 100-continue`.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const routes = [{ path: '/public/*', upstream: 'app', access: 'public', maxBodyBytes: 10 }, { path: '/*', upstream: 'app' }]
const gateway = await startGateway(t, { emulator: entra, upstreams: { app: { url: app.origin } }, routes })
const behindProxy = await startGateway(t, {
  emulator: entra, upstreams: { app: { url: app.origin } }, routes, server: { trustedProxies: ['127.0.0.0/8'] }
})

const odd: ReadonlyArray<readonly [string, string]> = [
  ['Keep-Alive', 'x'], ['Keep-Alive', 'timeout=-1, max=99999999999'], ['Upgrade', 'h2c'], ['Upgrade', 'websocket'], ['Connection', 'upgrade'], ['Connection', ',,,'], ['Connection', 'x y'], ['Connection', '\u00e4'],
  ['Content-Type', 'garbage'], ['Content-Type', ''], ['Content-Type', ';;;'], ['Accept', '\u00ff'], ['Accept-Encoding', 'x'.repeat(8000)], ['Range', `bytes=${'0-0,'.repeat(1000)}1-1`],
  ['traceparent', 'x'], ['traceparent', '00-0-0-0'], ['traceparent', '\u00e4'], ['X-Request-Id', 'x'.repeat(5000)], ['If-Modified-Since', 'never'], ['Cookie', ';;;;'], ['Cookie', '='], ['Cookie', '%'],
  ['__proto__', 'x'], ['constructor', 'x'], ['hasOwnProperty', 'x'], ['toString', 'x'], ['X-Tab', 'a\tb'], ['X-Eight-Bit', '\u00e9\u00ff'], ['Content-Length', '0'], ['Forwarded', 'for="'], ['X-Forwarded-For', '\u00e4'], ['Via', '\u00e4'], ['TE', '\u00e4'], ['Authorization', 'Basic'], ['Authorization', 'Bearer ..'], ['Origin', 'x'], ['Referer', 'http://['], ['Sec-Fetch-Site', 'x'], ['Date', 'x'], ['Set-Cookie', 'x=y'], ['scopegate', '1'], ['scopegate-error', 'x']
]

t.test('X7, C2.11 no single field of a client makes an answer of 500, on any route', async t => {
  for (const [name, value] of odd) {
    for (const target of ['/public/x', '/x', '/.auth/me', '/.auth/login', '/.auth/callback']) {
      const answer = await exchange(t, gateway.port, { target, fields: [[name, value]] })
      t.ok(answer.status < 500, `${name}: ${value.slice(0, 20)} on ${target} -> ${answer.status}`)
    }
  }
})

t.test('C2.10 names of object members pass like any other, and pollute nothing', async t => {
  const answer = await exchange(t, gateway.port, { target: '/public/x', fields: [['__proto__', 'evil'], ['constructor', 'evil'], ['x-stays', 'yes']] })
  t.ok([200, 400].includes(answer.status))
  t.equal(({} as Record<string, unknown>).evil, undefined)
  t.equal((await exchange(t, gateway.port, { target: '/public/x' })).status, 200)
})

t.test('C2.8 a malformed traceparent is replaced; a good one passes, from a trusted proxy', async t => {
  const traced = async (port: number, traceparent: string): Promise<string> =>
    (await exchange(t, port, { target: '/public/x', fields: [['traceparent', traceparent]] })).json().headers.traceparent
  const bad = ['x', '00-00000000000000000000000000000000-b7ad6b7169203331-01', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']
  const good = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  for (const [port, replaced] of [[gateway.port, [...bad, good]], [behindProxy.port, bad]] as const) {
    for (const traceparent of replaced) {
      const sent = await traced(port, traceparent)
      t.match(sent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/, traceparent)
      t.not(sent, traceparent)
    }
  }
  t.equal(await traced(behindProxy.port, good), good)
})

t.test('a request id from outside is replaced', async t => {
  const { headers } = (await exchange(t, gateway.port, { target: '/public/x', fields: [['X-Request-Id', 'evil']] })).json()
  t.match(headers['x-request-id'], /^[0-9a-f-]{36}$/)
})

t.test('C2.5 Expect: 100-continue is answered once the body is wanted, and not forwarded', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /public/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, 100)
  connection.send('hello')
  const answer = await connection.answer()
  t.equal(answer?.status, 200)
  t.equal(answer?.json().body, 'hello')
  t.equal(answer?.json().headers.expect, undefined)
})

t.test('C2.5 Expect on a request that is refused gets the refusal and no invitation', async t => {
  for (const [target, length, status] of [['/x', 5, 401], ['/public/x', 500, 413]] as const) {
    const connection = await connectRaw(t, gateway.port)
    connection.send(`POST ${target} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`)
    t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, status)
  }
})

t.test('C2.5 an unknown expectation is refused', async t => {
  const before = app.seen.length
  t.equal((await exchange(t, gateway.port, { target: '/public/x', fields: [['Expect', 'coffee']] })).status, 417)
  t.equal(app.seen.length, before)
})

t.test('C2.9 too many fields, and too large ones, are refused', async t => {
  const before = app.seen.length
  const many = Array.from({ length: 2000 }, (_, i) => [`X${i}`, ''] as const)
  t.equal((await exchange(t, gateway.port, { target: '/public/x', fields: many })).status, 431)
  t.equal((await exchange(t, gateway.port, { target: '/public/x', fields: Array.from({ length: 150 }, (_, i) => [`X${i}`, 'x'] as const) })).status, 431)
  t.equal((await exchange(t, gateway.port, { target: '/public/x', fields: [['X-Large', 'x'.repeat(16_384)]] })).status, 431)
  t.equal(app.seen.length, before)
  t.equal((await exchange(t, gateway.port, { target: '/public/x', fields: Array.from({ length: 90 }, (_, i) => [`X${i}`, 'x'] as const) })).status, 200)
})

t.test('C2.10 an empty or ill-formed name is refused', async t => {
  for (const line of [': x', 'X Y: z', 'X\u00e4: z', 'X(): z', 'X\u0000: z', 'X-Nul: a\u0000b', 'X-Ctl: a\u0001b', 'X-Del: a\u007fb']) {
    const before = app.seen.length
    const answer = await exchange(t, gateway.port, `GET /public/x HTTP/1.1\r\nHost: localhost\r\n${line}\r\n\r\n`)
    t.equal(answer.status, 400, JSON.stringify(line))
    t.equal(app.seen.length, before)
  }
})
