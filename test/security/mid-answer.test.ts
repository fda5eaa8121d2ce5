/**
 * This file checks that what cannot be parsed is not answered in the middle of another answer, where a client would read it
 * as part of that one.
 */
import { connect } from 'node:net'
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

t.test('garbage behind a request cuts the connection and writes nothing into the running answer', async t => {
  const app = await startUpstream(t, {
    answer (_request, response) {
      response.writeHead(200, { 'content-length': 10 })
      response.write('hello')
    }
  })
  const gateway = await startGateway(t, { upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }] })
  const socket = connect(gateway.port, '127.0.0.1')
  let received = ''
  socket.on('data', chunk => {
    received += String(chunk)
    if (received.endsWith('hello')) socket.write('\0\0 garbage\r\n\r\n')
  })
  socket.on('error', () => {})
  socket.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
  t.match(received, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(received, /hello$/)
  t.equal(received.match(/HTTP\/1\.1/g)?.length, 1)
})

t.test('the same garbage on its own is answered', async t => {
  const gateway = await startGateway(t, {
    upstreams: { app: { url: 'http://127.0.0.1:9' } }, routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  })
  for (const bytes of ['\0\0 garbage\r\n\r\n', 'POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n']) {
    const socket = connect(gateway.port, '127.0.0.1')
    let received = ''
    socket.on('data', chunk => { received += String(chunk) })
    socket.write(bytes)
    await new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
    t.match(received, /^HTTP\/1\.1 400 /)
  }
})
