/** This file has `check --online` look at upstreams that are not as they should be: each is told with what to mend. */
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createAuthority, createSelfSigned, keepPem } from '../support/certificates.ts'
import { startEntra } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { lookOnline } from './support.ts'

const authority = createAuthority()
const caFile = keepPem(t, authority.pem)
const yesterday = { notBefore: new Date(Date.now() - 10 * 86_400_000), notAfter: new Date(Date.now() - 3_600_000) }

/** A server that does one thing with a connection. */
async function startSocket (t: Test, act: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => { sockets.delete(socket) })
    act(socket)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

t.test('each fault has its own words', async t => {
  const plain = await startUpstream(t)
  const tls = async (identity: object) => (await startUpstream(t, { tls: identity })).origin
  const good = await tls(authority.issue(['127.0.0.1']))
  const cases: Record<string, readonly [upstream: object, text: string | RegExp]> = {
    closed: [{ url: 'http://127.0.0.1:1' }, 'nobody listens at 127.0.0.1:1'],
    nowhere: [{ url: 'https://app.invalid' }, /no address is known for app\.invalid|the address of app\.invalid cannot be looked up/],
    strange: [{ url: good }, 'set upstreams.strange.caFile'],
    selfsigned: [{ url: await tls(createSelfSigned(['127.0.0.1'])), caFile }, 'set upstreams.selfsigned.caFile'],
    misnamed: [{ url: await tls(authority.issue(['other.example'])), caFile }, 'its certificate is for another name than 127.0.0.1'],
    expired: [{ url: await tls(authority.issue(['127.0.0.1'], yesterday)), caFile }, 'its certificate is not valid at this time'],
    demanding: [{ url: await tls({ ...authority.issue(['127.0.0.1']), requestCert: true, ca: authority.pem }), caFile }, /^TLS with \S+ fails \(ERR_SSL_\w*CERTIFICATE_REQUIRED\)/],
    plaintext: [{ url: plain.origin.replace('http:', 'https:') }, 'does not speak TLS: is this its port, and should the URL begin with http:?'],
    ssh: [{ url: `http://${await startSocket(t, socket => { socket.write('SSH-2.0-OpenSSH_9\r\n') })}` }, 'answers is no HTTP'],
    closing: [{ url: `http://${await startSocket(t, socket => { socket.once('data', () => { socket.end() }) })}` }, 'closed the connection without an answer'],
    resetting: [{ url: `http://${await startSocket(t, socket => { socket.resetAndDestroy() })}` }, 'closed the connection without an answer'],
    hanging: [{ url: `http://${await startSocket(t, () => {})}/app` }, /gives no answer to HEAD \/app within 3 s/],
    silent: [{ url: `https://${await startSocket(t, () => {})}` }, /does not answer|gives no answer/]
  }
  const upstreams = Object.fromEntries(Object.entries(cases).map(([name, [upstream]]) => [name, upstream]))
  const { code, finding } = await lookOnline(t, { emulator: await startEntra(t), upstreams }, 3000)
  t.equal(code, 1)
  for (const [name, [, text]] of Object.entries(cases)) {
    const found = finding(`upstream ${name} `)
    t.match(found, { outcome: 'failed', text }, `${name}: ${found.text}`)
  }
  t.equal(plain.seen.length, 0)
})

t.test('any status is an answer', async t => {
  const upstreams = Object.fromEntries(await Promise.all([200, 302, 401, 404, 405, 500, 503].map(async status => {
    const app = await startUpstream(t, { answer (_request, response) { response.writeHead(status).end() } })
    return [`app${status}`, { url: app.origin }] as const
  })))
  const { code, finding } = await lookOnline(t, { emulator: await startEntra(t), upstreams })
  t.equal(code, 0)
  for (const name of Object.keys(upstreams)) t.match(finding(`upstream ${name} `), { outcome: 'ok', text: `answers ${name.slice(3)}` })
})
