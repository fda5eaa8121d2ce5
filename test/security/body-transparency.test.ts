/**
 * X18, M4: what HTTP allows passes as it is, both ways. The stock path answered 415 for a content type it could not read,
 * and read JSON bodies in order to write them again.
 */
import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const zipped = gzipSync('x'.repeat(100_000))
const large = randomBytes(5_000_000)
const entra = await startEntra(t)
const app = await startUpstream(t)
const files = await startUpstream(t, {
  answer: (request, response) => {
    switch (new URL(request.url ?? '', 'http://app').pathname) {
      case '/files/zipped': return response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': zipped.length, ETag: '"z"' }).end(request.method === 'HEAD' ? undefined : zipped)
      case '/files/part': return response.writeHead(206, { 'Content-Range': 'bytes 2-4/10', 'Content-Length': 3, 'X-Range': String(request.headers.range) }).end('abc')
      case '/files/unsatisfiable': return response.writeHead(416, { 'Content-Range': 'bytes */10' }).end()
      case '/files/empty': return response.writeHead(204, { 'X-Stays': 'yes' }).end()
      case '/files/reset': return response.writeHead(205, { 'Content-Length': 0 }).end()
      case '/files/head': return response.writeHead(200, { 'Content-Length': 12_345, 'X-Stays': 'yes' }).end()
      case '/files/large': return response.writeHead(200, { 'Content-Length': large.length }).end(large)
      case '/files/chunked': {
        response.writeHead(200)
        for (let i = 0; i < 100; i++) response.write(large.subarray(i * 1000, (i + 1) * 1000))
        return response.end()
      }
      case '/files/redirect': return response.writeHead(302, { Location: '/files/empty' }).end('moved')
      default: return response.writeHead(Number(request.url?.split('/').at(-1)), { 'Content-Type': 'text/x-odd' }).end('odd')
    }
  }
})
const exact = await startRawUpstream(t, socket => {
  socket.write('HTTP/1.1 299 Odd But Legal\r\nX-UPPER: A\r\nx-lower: a\r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Empty:\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2, c=3\r\nX-Eight-Bit: caf\u00e9\r\nContent-Length: 2\r\n\r\nok', 'latin1')
})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, files: { url: files.origin }, exact: { url: exact.origin } },
  routes: [
    { path: '/files/*', upstream: 'files', access: 'public' },
    { path: '/exact/*', upstream: 'exact', access: 'public' },
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/*', upstream: 'app' }
  ]
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })

function hashOf (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

t.test('X18 no content type is refused on a proxied route, and each arrives as it was sent', async t => {
  const types = ['garbage', ';;;', 'application/json; charset=utf-99', 'application/json', 'APPLICATION/JSON', 'text/plain;a=b;a=c', 'multipart/form-data', 'application/x-www-form-urlencoded', '*/*', 'a/b/c', '"', 'application/json\t', ' ', '__proto__']
  for (const type of types) {
    for (const target of ['/public/x', '/x']) {
      const answer = await exchange(t, gateway.port, {
        method: 'POST', target, cookie, fields: [['Content-Type', type], ['Sec-Fetch-Site', 'same-origin']], body: '{"broken":'
      })
      t.equal(answer.status, 200, `${JSON.stringify(type)} on ${target}`)
      t.equal(answer.json().headers['content-type'], type.trim())
      t.equal(answer.json().body, '{"broken":')
    }
  }
})

t.test('bodies arrive byte by byte: JSON with odd blanks, numbers and members', async t => {
  const bodies = ['{ "a" :1.0,\t"b":1e2 , "a":2, "__proto__":{"x":1} }\n', '{"n":12345678901234567890}', '\u00ef\u00bb\u00bf{}', '', ' ', 'null', '[1,]', '\u0000\u00ff', 'a=1&a=2&%zz']
  for (const body of bodies) {
    const answer = await exchange(t, gateway.port, { method: 'POST', target: '/public/x', fields: [['Content-Type', 'application/json']], body })
    t.equal(answer.status, 200)
    t.equal(answer.json().body, Buffer.from(body, 'latin1').toString())
    t.equal(answer.json().headers['content-length'], String(Buffer.byteLength(body, 'latin1')), 'with the same length')
  }
})

t.test('a chunked body arrives whole', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send('POST /public/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  connection.send('2\r\nde\r\n0\r\n\r\n')
  t.equal((await connection.answer())?.json().body, 'abcde')
})

t.test('methods with and without a body pass', async t => {
  for (const method of ['GET', 'DELETE', 'OPTIONS', 'PATCH', 'PUT', 'POST', 'PROPFIND', 'REPORT', 'SEARCH', 'LOCK']) {
    const bare = await exchange(t, gateway.port, { method, target: '/public/x' })
    t.equal(bare.json().method, method)
    t.equal(bare.json().body, '')
    const full = await exchange(t, gateway.port, { method, target: '/public/x', body: 'hello' })
    t.equal(full.json().body, 'hello', `${method} with a body`)
  }
})

t.test('an upload is not changed on its way', async t => {
  const body = large.subarray(0, 3_000_000)
  const receiving = await startUpstream(t, { answer: (_request, response) => { response.end('ok') } })
  const other = await startGateway(t, { upstreams: { app: { url: receiving.origin } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] })
  const connection = await connectRaw(t, other.port)
  connection.send(Buffer.concat([Buffer.from(`PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`), body]))
  t.equal((await connection.answer({ deadlineMs: 5000 }))?.status, 200)
  t.equal(hashOf(receiving.seen[0]!.body), hashOf(body.toString()))
})

t.test('a download is not changed on its way', async t => {
  const answer = await exchange(t, gateway.port, { target: '/files/large' }, { deadlineMs: 5000 })
  t.ok(answer.body.equals(large))
  const chunked = await exchange(t, gateway.port, { target: '/files/chunked' })
  t.ok(chunked.isComplete)
  t.ok(chunked.body.equals(large.subarray(0, 100_000)))
})

t.test('C10.9 codings pass: nothing is inflated', async t => {
  const answer = await exchange(t, gateway.port, { target: '/files/zipped', fields: [['Accept-Encoding', 'gzip']] })
  t.equal(answer.header('content-encoding'), 'gzip')
  t.equal(answer.header('content-length'), String(zipped.length))
  t.ok(answer.body.equals(zipped))
  const head = await exchange(t, gateway.port, { method: 'HEAD', target: '/files/zipped' })
  t.equal(head.header('content-length'), String(zipped.length))
})

t.test('GHSA-ggw3-5987-rx77, C8.5 a compressed upload passes without being inflated, bomb or not', async t => {
  const body = gzipSync(Buffer.alloc(20_000_000)).toString('latin1')
  const answer = await exchange(t, gateway.port, { method: 'POST', target: '/public/x', fields: [['Content-Encoding', 'gzip']], body })
  t.equal(answer.status, 200)
  t.equal(answer.json().headers['content-encoding'], 'gzip')
  t.equal(answer.json().headers['content-length'], String(body.length))
})

t.test('C10.9 ranges pass', async t => {
  const answer = await exchange(t, gateway.port, { target: '/files/part', fields: [['Range', 'bytes=2-4'], ['If-Range', '"x"']] })
  t.equal(answer.status, 206)
  t.equal(answer.header('content-range'), 'bytes 2-4/10')
  t.equal(answer.header('x-range'), 'bytes=2-4')
  t.equal(answer.text(), 'abc')
  t.equal((await exchange(t, gateway.port, { target: '/files/unsatisfiable' })).header('content-range'), 'bytes */10')
})

t.test('C10.9 HEAD has its fields and no body, and the connection goes on', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ method: 'HEAD', target: '/files/head' }))
  const head = await connection.answer({ head: true })
  t.equal(head?.status, 200)
  t.equal(head?.header('content-length'), '12345')
  t.equal(head?.header('x-stays'), 'yes')
  connection.send(rawRequest({ target: '/files/part' }))
  t.equal((await connection.answer())?.text(), 'abc')
})

t.test('204 and 205 have no body, and the connection goes on', async t => {
  const connection = await connectRaw(t, gateway.port)
  for (const [target, status] of [['/files/empty', 204], ['/files/reset', 205], ['/files/empty', 204]] as const) {
    connection.send(rawRequest({ target }))
    const answer = await connection.answer()
    t.equal(answer?.status, status)
    if (status === 204) t.equal(answer?.header('content-length'), undefined)
    t.equal(answer?.header('transfer-encoding'), undefined)
  }
})

t.test('C10.9 a redirect is the client\'s to follow', async t => {
  const before = files.seen.length
  const answer = await exchange(t, gateway.port, { target: '/files/redirect' })
  t.equal(answer.status, 302)
  t.equal(answer.header('location'), '/files/empty')
  t.equal(answer.text(), 'moved')
  t.equal(files.seen.length, before + 1)
})

t.test('every final status passes', async t => {
  const statuses = [
    200, 201, 202, 203, 207, 208, 226, 300, 301, 303, 307, 308, 400, 401, 402, 403, 404, 407, 409, 410, 418, 422, 451, 499,
    500, 501, 505, 507, 511, 599
  ]
  for (const status of statuses) {
    const answer = await exchange(t, gateway.port, { target: `/files/${status}` })
    t.equal(answer.status, status)
    t.equal(answer.text(), 'odd')
    t.equal(answer.header('scopegate'), undefined, 'it is not marked as ours')
    t.equal(answer.header('scopegate-error'), undefined)
    t.equal(answer.header('content-security-policy'), undefined)
  }
})

t.test('fields keep their case, order, number and bytes', async t => {
  const answer = await exchange(t, gateway.port, { target: '/exact/x' })
  t.equal(answer.status, 299)
  const own = answer.fields.filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name.toLowerCase()))
  t.strictSame(own, [['X-UPPER', 'A'], ['x-lower', 'a'], ['X-Twice', '1'], ['X-Twice', '2'], ['X-Empty', ''], ['Set-Cookie', 'a=1'], ['Set-Cookie', 'b=2, c=3'], ['X-Eight-Bit', 'caf\u00e9'], ['Content-Length', '2']])
})

t.test('a client\'s fields keep their case, order, number and bytes', async t => {
  const answer = await exchange(t, gateway.port, { target: '/public/x', fields: [['X-UPPER', 'A'], ['x-lower', 'a'], ['X-Twice', '1'], ['x-twice', '2'], ['X-Empty', ''], ['X-Eight-Bit', 'caf\u00e9'], ['Accept', 'a'], ['Accept', 'b']] })
  const raw: string[] = answer.json().rawHeaders
  const wanted = ['X-UPPER', 'A', 'x-lower', 'a', 'X-Twice', '1', 'x-twice', '2', 'X-Empty', '', 'X-Eight-Bit', 'caf\u00e9', 'Accept', 'a', 'Accept', 'b']
  const at = raw.indexOf('X-UPPER')
  t.strictSame(raw.slice(at, at + wanted.length), wanted)
})

t.test('CVE-2025-32442, CVE-2026-25223 the gateway\'s own endpoints take no body to heart: every content type gets the same answer', async t => {
  for (const type of ['application/json', 'garbage', 'application/json; charset=x', 'text/plain', '']) {
    const answer = await exchange(t, gateway.port, { method: 'POST', target: '/.auth/logout', fields: [['Content-Type', type], ['Origin', 'http://evil.example']], body: '{"__proto__":1' })
    t.equal(answer.status, 403, type)
  }
})
