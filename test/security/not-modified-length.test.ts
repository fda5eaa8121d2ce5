/**
 * X25: a 304 may say how long the body would have been (RFC 9110, section 8.6); undici calls that a mismatch, after the
 * header section has gone to the client.
 */
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'

const answers: Record<string, string> = {
  '/length': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 1234\r\n\r\n',
  '/zero': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n',
  '/plain': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
  '/chunked': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nTransfer-Encoding: chunked\r\n\r\n',
  '/no-content': 'HTTP/1.1 204 No Content\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n',
  '/page': 'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 4\r\n\r\npage'
}
const app = await startRawUpstream(t, (socket, head) => { socket.write(answers[head.split(' ')[1]!]!) })
const gateway = await startGateway(t, { upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] })

for (const target of ['/length', '/zero', '/plain', '/chunked', '/no-content']) {
  t.test(`X25 ${target} is complete, and the client's connection goes on`, async t => {
    const connection = await connectRaw(t, gateway.port)
    for (let i = 0; i < 3; i++) {
      connection.send(rawRequest({ target, fields: [['If-None-Match', '"x"']] }))
      const answer = await connection.answer()
      t.equal(answer?.status, target === '/no-content' ? 204 : 304)
      t.equal(answer?.header('etag'), '"x"')
      if (target === '/length') t.equal(answer?.header('content-length'), '1234', 'the length passes')
      connection.send(rawRequest({ target: '/page' }))
      t.equal((await connection.answer())?.text(), 'page')
    }
  })
}

t.test('many at once do not mix', async t => {
  const targets = Array.from({ length: 100 }, (_, i) => i % 2 === 0 ? '/length' : '/page')
  const all = await Promise.all(targets.map(async target => await exchange(t, gateway.port, { target })))
  t.strictSame(all.map(({ status }) => status), targets.map(target => target === '/length' ? 304 : 200))
  t.ok(all.every(answer => answer.status === 304 || answer.text() === 'page'))
  t.notMatch(gateway.logged(), /unexpected error|SG_UPSTREAM/)
})
