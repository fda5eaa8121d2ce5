/**
 * C3.5: a line break that comes in with a request, a claim or an answer ends as text or not at all; it begins no header field,
 * towards the browser or the upstream.
 */
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { reachCallback } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const breaks = ['%0d%0a', '%0a', '%0d', '%0d%0a%0d%0a', '%250d%250a', '%e5%98%8d%e5%98%8a', '%E2%80%A8', '%c2%85', '%00%0d%0a']
const entra = await startEntra(t)
const app = await startUpstream(t)
let script = ''
const raw = await startRawUpstream(t, socket => { socket.write(script) })
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, raw: { url: raw.origin, timeouts: { headersSeconds: 2 } } },
  routes: [
    { path: '/raw/*', upstream: 'raw', access: 'public' },
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/*', upstream: 'app', identityHeaders: { 'X-Name': 'name' } }
  ]
})
const { port, url } = gateway

t.test('C3.5 a line break in a parameter of our endpoints begins no header field', async t => {
  const parameters = ['post_login_redirect_uri', 'post_logout_redirect_uri', 'state', 'error', 'error_description', 'code', 'login_hint', 'domain_hint', 'need', 'sid']
  for (const endpoint of ['login', 'callback', 'logout', 'logout/done', 'frontchannel-logout', 'me']) {
    for (const text of breaks) {
      const query = parameters.map(name => `${name}=/x${text}X-Evil:%20yes${text}Set-Cookie:%20evil=1`).join('&')
      const answer = await exchange(t, port, { target: `/.auth/${endpoint}?${query}`, fields: [['Sec-Fetch-Site', 'none']] })
      t.equal(answer.header('x-evil'), undefined, `${endpoint} ${text}`)
      t.notOk(answer.all('set-cookie').some(line => line.startsWith('evil')))
      t.ok(answer.status >= 200 && answer.status < 500, `${endpoint}: ${answer.status}`)
    }
  }
})

t.test('C3.5, CVE-2026-1527 a line break in a claim begins no field towards the upstream', async t => {
  for (const name of ['Alice\r\nX-Evil: yes', 'Alice\nX-Evil: yes', 'Alice\rX-Evil: yes', '\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n', 'a\u560d\u560aX-Evil: yes']) {
    const browser = createBrowser(t, { ca: entra.caPem })
    const callback = await reachCallback(browser, url)
    entra.admin.fault({ endpoint: 'token', idToken: { claims: { name } } })
    t.equal((await browser.visit(callback.href)).status, 303)
    const before = app.seen.length
    const { headers } = (await browser.fetch(`${url}/x`)).json()
    t.equal(app.seen.length, before + 1, 'one request arrives')
    t.equal(headers['x-evil'], undefined)
    t.equal(decodeURIComponent(headers['x-name']), name.replace(/[\ud800-\udfff]/g, ''))
  }
})

t.test('CVE-2026-1527 a line break in a path or a field of a client does not go on', async t => {
  for (const target of [...breaks.slice(0, 4).map(text => `/public/x${text}X-Evil:yes`), '/public/x\rX-Evil: yes', '/public/x\u0000']) {
    const before = app.seen.length
    t.equal((await exchange(t, port, { target })).status, 400, JSON.stringify(target))
    t.equal(app.seen.length, before)
  }
  for (const value of ['a\rX-Evil: yes', 'a\r\n X-Evil: yes', 'a\u0000X-Evil: yes']) {
    const before = app.seen.length
    t.equal((await exchange(t, port, { target: '/public/x', fields: [['X-Field', value]] })).status, 400, JSON.stringify(value))
    t.equal(app.seen.length, before)
  }
})

t.test('undici-2026-07-22 a line break in a value of an upstream does not come back as a field', async t => {
  for (const value of ['a\rX-Evil: yes', 'a\nX-Evil: yes', 'a\r X-Evil: yes', 'a\r\n X-Evil: yes', 'a\u0000\rX-Evil: yes']) {
    script = `HTTP/1.1 200 OK\r\nX-Field: ${value}\r\nContent-Length: 2\r\n\r\nok`
    const answer = await exchange(t, port, { target: '/raw/x' })
    t.equal(answer.header('x-evil'), undefined, JSON.stringify(value))
    t.ok(answer.status === 502 || answer.status === 200, String(answer.status))
  }
  for (const reason of ['OK\rX-Evil: yes', 'OK\u0000']) {
    script = `HTTP/1.1 200 ${reason}\r\nContent-Length: 2\r\n\r\nok`
    const answer = await exchange(t, port, { target: '/raw/x' })
    t.equal(answer.header('x-evil'), undefined, JSON.stringify(reason))
  }
})
