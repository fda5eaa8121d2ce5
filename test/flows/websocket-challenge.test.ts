/** This file checks that a WebSocket handshake that is answered with a claims challenge is met like any other request. */
import t from 'tap'
import { acceptOf } from '../../src/proxy/handshake.ts'
import { challengeFor, contextClaims, contextsOf } from '../support/challenges.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { handshakeFields, openWebSocket } from '../support/websocket.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'

const field = (head: string, name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1] ?? ''

const entra = await startEntra(t)
/** Agrees to a handshake whose token has the context that the path names; below `/never/` to none. */
const upstream = await startRawUpstream(t, (socket, head) => {
  const [, never, wanted = ''] = /^GET \/ws\/(never\/)?(\w+)/.exec(head) ?? []
  const contexts = contextsOf({ headers: { authorization: field(head, 'authorization') } })
  if (wanted === '') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  else if (never !== undefined || !contexts.includes(wanted)) {
    socket.write(`HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ${challengeFor(contextClaims(wanted))}\r\nContent-Length: 4\r\n\r\nnope`)
  } else {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(field(head, 'sec-websocket-key'))}\r\n\r\n`)
  }
})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: upstream.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [
    { path: '/ws/*', upstream: 'app', websocket: true },
    ...['c2', 'c3'].map(context => ({ path: `/${context}`, upstream: 'app', requireAuthContext: context })),
    { path: '/*', upstream: 'app' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { cookie, browser } = await signIn(t, { url: gateway.url, entra, at: '/c2' })
const handshakes = (name: string): number => upstream.requests.filter(head => head.startsWith(`GET /ws/${name} `)).length

t.test('C6.7 a handshake is made once more with a token for the challenge', async t => {
  const { socket } = await openWebSocket(t, `${gateway.url}/ws/c2`, { cookie })
  t.equal(socket.readyState, 1)
  t.equal(handshakes('c2'), 2)
  await openWebSocket(t, `${gateway.url}/ws/c2`, { cookie })
  t.equal(handshakes('c2'), 3)
})

t.test('C6.7 a challenge that comes again ends the handshake', async t => {
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/c3' })
  await t.rejects(openWebSocket(t, `${gateway.url}/ws/never/c3`, { cookie }), { message: 'refused with 403 SG_SIGN_IN_LOOP' })
  t.equal(handshakes('never/c3'), 2)
})

t.test('another factor is told as 401, with the address of the sign-in', async t => {
  const connection = await connectRaw(t, gateway.port)
  connection.send(rawRequest({ target: '/ws/c1', cookie, fields: handshakeFields({ Origin: gateway.url, Referer: `${gateway.url}/page` }) }))
  const answer = await connection.answer()
  t.equal(answer?.status, 401)
  const { loginUrl, reason } = answer!.json()
  t.equal(reason, 'interaction_required')
  t.equal(handshakes('c1'), 1)
  await browser.go(gateway.url + loginUrl)
  const stronger = `scopegate=${browser.cookies(gateway.url).get('scopegate')}`
  await openWebSocket(t, `${gateway.url}/ws/c1`, { cookie: stronger })
  t.equal(handshakes('c1'), 2)
})

t.test('nothing stays open', async t => {
  const before = upstream.busy()
  const { socket } = await openWebSocket(t, `${gateway.url}/ws/c1`, { cookie: `scopegate=${browser.cookies(gateway.url).get('scopegate')}` })
  socket.terminate()
  t.ok(await eventually(() => upstream.busy() <= before, 5000))
})
