/**
 * X15, C8.1-C8.4: where one message ends and the next begins is read in one way only, on both sides. Whatever leaves room
 * for two readings is refused and the connection closed; Node's strict parser does most of it, and must stay strict.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
let script = ''
const broken = await startRawUpstream(t, socket => { socket.write(Buffer.from(script, 'latin1')) })
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, broken: { url: broken.origin, timeouts: { headersSeconds: 1, bodySeconds: 1 } } },
  routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/broken/*', upstream: 'broken', access: 'public' }, { path: '/*', upstream: 'app' }]
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
const host = 'Host: localhost\r\n'
const smuggled = `GET /admin HTTP/1.1\r\n${host}Cookie: ${cookie}\r\n\r\n`

const post = (fields: string, body: string): string => `POST /public/x HTTP/1.1\r\n${host}${fields}\r\n\r\n${body}`

const refused: Record<string, Record<string, string>> = {
  'X15, CVE-2026-1525, C8.1 a message with two framings is refused': {
    'CL.TE': post('Content-Length: 4\r\nTransfer-Encoding: chunked', `0\r\n\r\n${smuggled}`),
    'TE.CL': post('Transfer-Encoding: chunked\r\nContent-Length: 4', `0\r\n\r\n${smuggled}`),
    'CL.TE in other letter case': post('content-length: 4\r\nTRANSFER-ENCODING: CHUNKED', `0\r\n\r\n${smuggled}`),
    'TE twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', `0\r\n\r\n${smuggled}`),
    'TE twice, the same': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', `0\r\n\r\n${smuggled}`),
    'TE list': post('Transfer-Encoding: chunked, identity', `0\r\n\r\n${smuggled}`),
    'TE list that ends chunked twice': post('Transfer-Encoding: chunked, chunked', `0\r\n\r\n${smuggled}`),
    'TE unknown': post('Transfer-Encoding: xchunked', `0\r\n\r\n${smuggled}`),
    'TE with vertical tab': post('Transfer-Encoding: \u000bchunked', `0\r\n\r\n${smuggled}`),
    'TE quoted': post('Transfer-Encoding: "chunked"', `0\r\n\r\n${smuggled}`),
    'TE with a space before the colon': post('Transfer-Encoding : chunked', `0\r\n\r\n${smuggled}`),
    'TE folded': post('Transfer-Encoding:\r\n chunked', `0\r\n\r\n${smuggled}`),
    'TE empty': post('Transfer-Encoding:', `0\r\n\r\n${smuggled}`),
    'TE with a parameter': post('Transfer-Encoding: chunked;q=1', `0\r\n\r\n${smuggled}`),
    'TE list with an empty element': post('Transfer-Encoding: , chunked', `0\r\n\r\n${smuggled}`),
    'TE with a tab within': post('Transfer-Encoding: chun\tked', `0\r\n\r\n${smuggled}`),
    'TE with NUL': post('Transfer-Encoding: chunked\u0000', `0\r\n\r\n${smuggled}`),
    'TE in HTTP/1.0': `POST /public/x HTTP/1.0\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'TE cow': post('Transfer-Encoding: cow', `0\r\n\r\n${smuggled}`)
  },
  'X15, C8.2 a length that is no plain number is refused': {
    list: post('Content-Length: 5,5', 'hello'),
    hexadecimal: post('Content-Length: 0x5', 'hello'),
    sign: post('Content-Length: +5', 'hello'),
    negative: post('Content-Length: -5', 'hello'),
    huge: post('Content-Length: 99999999999999999999999', 'hello'),
    float: post('Content-Length: 5.0', 'hello'),
    exponent: post('Content-Length: 5e0', 'hello'),
    empty: post('Content-Length:', 'hello'),
    space: post('Content-Length: 5 5', 'hello'),
    'unequal pair': post('Content-Length: 5\r\nContent-Length: 6', 'hello'),
    'equal pair': post('Content-Length: 5\r\nContent-Length: 5', 'hello')
  },
  'X15, C8.3 lines that end or begin in other ways are refused': {
    'bare LF': `GET /public/x HTTP/1.1\n${host}\r\n`,
    'bare LF in a field': `GET /public/x HTTP/1.1\r\n${host}X: a\nY: b\r\n\r\n`,
    'bare CR': `GET /public/x HTTP/1.1\r\n${host}X: a\rY: b\r\n\r\n`,
    'bare LF at the end': `GET /public/x HTTP/1.1\r\n${host}\n`,
    NUL: `GET /public/x HTTP/1.1\r\n${host}X: a\u0000b\r\n\r\n`,
    'obs-fold': `GET /public/x HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`,
    'leading space': `GET /public/x HTTP/1.1\r\n ${host}\r\n`,
    'space before colon': 'GET /public/x HTTP/1.1\r\nHost : localhost\r\n\r\n',
    'no colon': `GET /public/x HTTP/1.1\r\n${host}X\r\n\r\n`,
    'HTTP/0.9': 'GET /public/x\r\n\r\n',
    'HTTP/0.9 by name': `GET /public/x HTTP/0.9\r\n${host}\r\n`,
    'HTTP/1.2': `GET /public/x HTTP/1.2\r\n${host}\r\n`,
    'HTTP/2.0': `GET /public/x HTTP/2.0\r\n${host}\r\n`,
    'h2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'lower-case method': `get /public/x HTTP/1.1\r\n${host}\r\n`,
    'lower-case protocol': `GET /public/x http/1.1\r\n${host}\r\n`,
    'space in the target': `GET /public/x y HTTP/1.1\r\n${host}\r\n`,
    'tab for space': `GET\t/public/x\tHTTP/1.1\r\n${host}\r\n`
  },
  'C8.1 chunks that are no chunks are refused': {
    'no size': post('Transfer-Encoding: chunked', '\r\nhello\r\n0\r\n\r\n'),
    'negative size': post('Transfer-Encoding: chunked', '-5\r\nhello\r\n0\r\n\r\n'),
    '0x size': post('Transfer-Encoding: chunked', '0x5\r\nhello\r\n0\r\n\r\n'),
    'huge size': post('Transfer-Encoding: chunked', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'),
    'longer than said': post('Transfer-Encoding: chunked', '4\r\nhello\r\n0\r\n\r\n'),
    'LF after the size': post('Transfer-Encoding: chunked', '5\nhello\r\n0\r\n\r\n'),
    'LF in an extension': post('Transfer-Encoding: chunked', '5;a\nb\r\nhello\r\n0\r\n\r\n')
  }
}

for (const [name, messages] of Object.entries(refused)) {
  t.test(name, async t => {
    for (const [what, bytes] of Object.entries(messages)) {
      const connection = await connectRaw(t, gateway.port)
      connection.send(bytes)
      const answer = await connection.answer({ deadlineMs: 5000 })
      t.ok(answer === undefined || [400, 431, 501, 502, 505].includes(answer.status), `${what}: ${answer?.status}`)
      t.ok(await connection.isClosedWithin(5000), `${what}: the connection is closed`)
      t.equal(connection.rest().length, 0, `${what}: nothing more is answered`)
      t.notOk(app.seen.some(({ url }) => url === '/admin'), `${what}: nothing is smuggled`)
    }
  })
}

t.test('what is well framed passes, and so does the next request of that connection', async t => {
  const messages = {
    'a length': post('Content-Length: 5', 'hello'),
    chunks: post('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'),
    'chunks in other letter case': post('TRANSFER-ENCODING: Chunked', '5\r\nhello\r\n0\r\n\r\n'),
    'several chunks with extensions': post('Transfer-Encoding: chunked', '2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n')
  }
  for (const [what, bytes] of Object.entries(messages)) {
    const connection = await connectRaw(t, gateway.port)
    connection.send(bytes + rawRequest({ target: '/public/next' }))
    const first = await connection.answer()
    t.equal(first?.status, 200, what)
    t.equal(first?.json().body, 'hello')
    t.equal((await connection.answer())?.json().url, '/public/next')
  }
})

t.test('C8.1 CL.0 and 0.CL: a body that a backend ignores does not become a request', async t => {
  const before = app.seen.length
  const connection = await connectRaw(t, gateway.port)
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
    connection.send(`${method} /public/x HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`)
    t.equal((await connection.answer({ head: method === 'HEAD' }))?.status, 200, method)
  }
  t.strictSame(app.seen.slice(before).map(({ url }) => url), ['/public/x', '/public/x', '/public/x', '/public/x'])
})

t.test('C8.1 nothing that follows a refused request on its connection is looked at', async t => {
  const before = app.seen.length
  for (const first of ['GET /a/../b', 'GET /a%00', 'BREW /x', 'GET /x%zz']) {
    const connection = await connectRaw(t, gateway.port)
    connection.send(`${first} HTTP/1.1\r\n${host}\r\n${rawRequest({ target: '/public/behind' }).repeat(3)}`)
    t.ok([400, 405].includes((await connection.answer())?.status ?? 0), first)
    t.ok(await connection.isClosedWithin(5000), 'the connection is closed')
    t.equal(connection.rest().length, 0, 'nothing more is answered')
  }
  t.equal(app.seen.length, before, 'the upstream had nothing')
})

t.test('the body of a refused request is not read as the next request', async t => {
  const before = app.seen.length
  const connection = await connectRaw(t, gateway.port)
  connection.send(`POST /closed HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}${rawRequest({ target: '/public/next' })}`)
  t.equal((await connection.answer())?.status, 401)
  const next = await connection.answer({ deadlineMs: 5000 })
  t.ok(next === undefined || next.json().url === '/public/next', 'closed, or the true next one')
  t.notOk(app.seen.slice(before).some(({ url }) => url === '/admin'))
})

const upstreamFaults: Record<string, string> = {
  'a second length': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nok',
  'length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'a length that is none': 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok',
  'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok',
  'bad chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n',
  'unknown coding last': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'no status line': 'hello\r\n\r\n',
  'HTTP/0.9 style': 'ok',
  'status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'status of letters': 'HTTP/1.1 abc OK\r\n\r\n',
  'bare LF in a field': 'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nX: a\u0000b\r\nContent-Length: 2\r\n\r\nok',
  'an unasked 101': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nfree bytes',
  'only an interim answer': 'HTTP/1.1 100 Continue\r\n\r\n',
  'ten megabytes of header section': `HTTP/1.1 200 OK\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(10_000)}Content-Length: 2\r\n\r\nok`,
  'an endless header': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`
}

for (const [what, bytes] of Object.entries(upstreamFaults)) {
  t.test(`C8.4 an upstream that sends ${what} gets no clean end and its connection is not used again`, async t => {
    script = bytes
    const connection = await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target: '/broken/x' }))
    const answer = await connection.answer({ deadlineMs: 4000 })
    t.ok(answer === undefined || [502, 504].includes(answer.status) || !answer.isComplete, `${answer?.status}, complete: ${answer?.isComplete}`)
    t.notMatch(answer?.text() ?? '', /free bytes|hello/)
    t.strictSame(answer?.all('set-cookie') ?? [], [])
    script = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    const connections = broken.connections()
    const next = await exchange(t, gateway.port, { target: '/broken/x' }, { deadlineMs: 4000 })
    t.equal(next.status, 200, 'the next request is answered')
    t.equal(next.text(), 'ok')
    t.equal(broken.connections(), connections + 1, 'on a connection of its own')
  })
}

const extra: Record<string, string> = {
  'a second answer': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
  'bytes after its answer': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokevil',
  'a body with 204': 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil',
  'a body with 304': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\nevil'
}

for (const [what, bytes] of Object.entries(extra)) {
  t.test(`C8.4 ${what} of an upstream is nobody's answer`, async t => {
    script = bytes
    const client = await connectRaw(t, gateway.port)
    client.send(rawRequest({ target: '/broken/x' }))
    const first = await client.answer({ deadlineMs: 4000 })
    t.notMatch(first?.text() ?? '', /evil/)
    script = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood'
    for (let i = 0; i < 3; i++) {
      const next = await exchange(t, gateway.port, { target: '/broken/y' }, { deadlineMs: 4000 })
      t.equal(next.status, 200)
      t.equal(next.text(), 'good', 'no foreign bytes')
    }
  })
}

t.test('C8.4 interim answers before the final one are taken in and not passed on', async t => {
  script = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(5) + 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
  const answer = await exchange(t, gateway.port, { target: '/broken/x' })
  t.equal(answer.status, 200)
  t.equal(answer.header('link'), undefined)
})

t.test('C8.4 a long flood of interim answers ends', async t => {
  const flood = await startRawUpstream(t, socket => {
    const timer = setInterval(() => { socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n') }, 20)
    socket.once('close', () => { clearInterval(timer) })
  })
  const other = await startGateway(t, {
    upstreams: { flood: { url: flood.origin, timeouts: { headersSeconds: 1, bodySeconds: 1 } } },
    routes: [{ path: '/*', upstream: 'flood', access: 'public' }]
  })
  const answer = await exchange(t, other.port, { target: '/x' }, { deadlineMs: 3000 }).catch(() => undefined)
  t.ok(answer?.status === 502 || answer?.status === 504, 'interim answers do not put off the end')
})
