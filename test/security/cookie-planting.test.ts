/**
 * X10: a backend's Set-Cookie in the name of the gateway's cookie reached the browser: it could sign users in as somebody.
 */
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'

const planted = [
  '__Host-scopegate=evil; Path=/; Secure', 'scopegate=evil; Path=/', 'Scopegate=evil', 'SCOPEGATE=evil', '__host-scopegate=evil', '__HOST-ScopeGate=evil', '__Secure-scopegate=evil; Secure', '__secure-scopegate=evil',
  'scopegate.t.abcdefgh=evil', '__Host-scopegate.t.abcdefgh=evil', 'scopegate.r=evil', 'scopegate.after=/evil', 'scopegate =evil', ' scopegate=evil', '\tscopegate=evil', 'scopegate\t=evil', '=scopegate=evil', '= scopegate=evil', '==scopegate=evil',
  'scopegate', 'scopegate;', 'scopegate; Path=/', 'scopegate=', 'scopegate=; Max-Age=0', '=scopegate', ' = scopegate = evil', 'scopegate=evil; Domain=localhost', 'SCOPEGATE.T.x=evil'
]
const harmless = ['app=1; Path=/', 'scopegated=1', 'xscopegate=1; HttpOnly', 'my.scopegate=1', 'x=scopegate=evil', '__Host-app=1; Secure; Path=/', '=nameless', 'a="scopegate=1"']

const app = await startRawUpstream(t, (socket, head) => {
  const lines = head.startsWith('GET /planted') ? planted : harmless
  const cookies = head.startsWith('GET /one/') ? [planted[Number(/^GET \/one\/(\d+)/.exec(head)![1])]!] : lines
  socket.write(`HTTP/1.1 200 OK\r\n${cookies.map((line, i) => `${i % 2 === 0 ? 'Set-Cookie' : 'set-cookie'}:${line}\r\n`).join('')}Content-Length: 2\r\nClear-Site-Data: "cookies"\r\n\r\nok`)
})
const gateway = await startGateway(t, {
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/*', upstream: 'app', access: 'public' }]
})

for (const [i, line] of planted.entries()) {
  t.test(`X10 an upstream cannot set ${JSON.stringify(line)}`, async t => {
    const answer = await exchange(t, gateway.port, { target: `/one/${i}` })
    t.equal(answer.status, 200)
    t.equal(answer.text(), 'ok')
    t.strictSame(answer.all('set-cookie'), [])
  })
}

t.test('X10 all at once are dropped, too, and the log tells of it without the value', async t => {
  const answer = await exchange(t, gateway.port, { target: '/planted' })
  t.strictSame(answer.all('set-cookie'), [])
  t.match(gateway.logged(), /"event":"cookie-planting"/)
  t.notMatch(gateway.logged(), /=evil/)
})

t.test('other cookies of an upstream pass as they are', async t => {
  const answer = await exchange(t, gateway.port, { target: '/harmless' })
  t.strictSame(answer.all('set-cookie'), harmless)
})

t.test('C2.13 an upstream cannot have the browser clear the gateway\'s cookies', async t => {
  const answer = await exchange(t, gateway.port, { target: '/harmless' })
  t.equal(answer.header('clear-site-data'), undefined)
})
