/** This file checks routes that ask for an authentication context: signed in is not enough, and stepping up ends somewhere. */
import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { createBrowser, type Browser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

const wanted = { id_token: { acrs: { essential: true, value: 'c1' } } }
const scope = 'api://orders/Orders.Read'

async function start (t: Test) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const live = await startEchoUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin }, live: { url: live.origin } },
    routes: [
      { path: '/admin/*', upstream: 'app', requireAuthContext: 'c1' },
      { path: '/admin/token/*', upstream: 'app', requireAuthContext: 'c1', scopes: [scope] },
      { path: '/orders/*', upstream: 'app', scopes: [scope] },
      { path: '/maybe/*', upstream: 'app', access: 'optional', requireAuthContext: 'c1' },
      { path: '/staff/*', upstream: 'app', allow: { roles: ['Nobody.Has'] }, requireAuthContext: 'c1' },
      { path: '/live/*', upstream: 'live', websocket: true, requireAuthContext: 'c1' },
      { path: '/*', upstream: 'app' }
    ],
    entra: { initialScopes: [scope] }
  })
  function open (): Browser {
    return createBrowser(t, { ca: entra.caPem, user: 'carol@contoso.example' })
  }
  async function signIn (): Promise<Browser> {
    const browser = open()
    const page = await browser.go(`${url}/`)
    if (page.status !== 200) throw new Error(`signing in ended with ${page.status} ${page.body}`)
    return browser
  }
  const reachedAdmin = (): number => app.seen.filter(seen => /^\/(?:admin|maybe|staff)/.test(seen.url)).length
  return { entra, app, live, url, open, signIn, reachedAdmin }
}

const cookieOf = (browser: Browser, url: string): string => `scopegate=${browser.cookies(url).get('scopegate')}`

t.test('C5.21 a navigation steps up: the sign-in asks for the context, and ends on the page in a session of its own', async t => {
  const { url, signIn, reachedAdmin } = await start(t)
  const browser = await signIn()
  const before = cookieOf(browser, url)
  const first = await browser.visit(`${url}/admin/users?page=2`)
  t.equal(first.status, 302)
  t.equal(reachedAdmin(), 0, 'the upstream was not reached')
  const asked = new URL((await browser.visit(first.location())).location()).searchParams
  t.match(JSON.parse(asked.get('claims')!), wanted)
  t.ok(asked.get('login_hint'), 'of the user who is signed in')
  t.ok(asked.get('scope')?.split(' ').includes(scope), 'with what every sign-in asks for')

  const page = await browser.go(`${url}/admin/users?page=2`)
  t.equal(page.status, 200)
  t.equal(page.json().url, '/admin/users?page=2')
  t.not(cookieOf(browser, url), before, 'the session has a new id')
  const old = await createBrowser(t).fetch(`${url}/`, { headers: { cookie: before } })
  t.equal(old.json().code, 'SG_SIGN_IN_REQUIRED', 'the old one is over')
  t.match((await browser.fetch(`${url}/admin/token/x`)).json().headers.authorization, /^Bearer eyJ/, 'tokens come as before')
})

t.test('C5.21 a script gets 401 with the reason, and its link brings the context', async t => {
  const { url, signIn, reachedAdmin } = await start(t)
  const browser = await signIn()
  const reply = await browser.fetch(`${url}/admin/users`, { method: 'POST', headers: { referer: `${url}/form` } })
  t.equal(reply.status, 401)
  const { code, reason, loginUrl } = reply.json()
  t.same({ code, reason }, { code: 'SG_SIGN_IN_REQUIRED', reason: 'interaction_required' })
  t.match(reply.headers['www-authenticate'], /reason="interaction_required"/)
  t.equal(reachedAdmin(), 0, 'the upstream was not reached')
  t.equal((await browser.go(url + loginUrl)).url, `${url}/form`, 'back on the page that made the call')
  t.equal((await browser.fetch(`${url}/admin/users`, { method: 'POST' })).status, 200)
})

t.test('who is not signed in brings the context with the first sign-in, on optional routes too', async t => {
  const { entra, url, open, reachedAdmin } = await start(t)
  for (const path of ['/admin/x', '/maybe/x']) {
    const browser = open()
    const script = await browser.fetch(url + path)
    t.equal(script.status, 401)
    t.equal(script.json().reason, 'sign_in_required')
    const before = reachedAdmin()
    const asked = entra.requests().length
    t.equal((await browser.go(url + path)).status, 200)
    t.equal(reachedAdmin(), before + 1, 'one request, after the sign-in')
    t.equal(entra.requests().slice(asked).filter(({ endpoint }) => endpoint === 'token').length, 1, 'one sign-in')
  }
})

t.test('C5.22 a session is judged by its own ID token: another session of the user and access tokens do not count', async t => {
  const { url, signIn } = await start(t)
  const weak = await signIn()
  const strong = await signIn()
  t.equal((await strong.go(`${url}/admin/x`)).status, 200)
  const token = decodeJwt((await weak.fetch(`${url}/orders/x`)).json().headers.authorization.slice('Bearer '.length))
  t.same(token.acrs, ['c1'], 'the account\'s access token has the context')
  t.equal((await weak.fetch(`${url}/admin/x`)).json().reason, 'interaction_required')
  t.equal((await strong.fetch(`${url}/admin/x`)).status, 200)
})

t.test('C5.23 an ID token that lacks the context that was asked for is refused on a page, and the session goes on', async t => {
  const { entra, url, signIn, reachedAdmin } = await start(t)
  const browser = await signIn()
  const before = cookieOf(browser, url)
  for (const acrs of [null, [], 'c10', ['c2', 'C1']]) {
    entra.admin.fault({ endpoint: 'token', idToken: { claims: { acrs } } })
    const page = await browser.go(`${url}/admin/x`)
    t.equal(page.status, 403)
    t.equal(page.headers['scopegate-error'], 'SG_SIGN_IN_REFUSED')
  }
  t.equal(reachedAdmin(), 0)
  t.equal(cookieOf(browser, url), before)
  t.equal((await browser.fetch(`${url}/orders/x`)).status, 200, 'the session has its tokens')
  entra.admin.fault({ endpoint: 'token', idToken: { claims: { acrs: 'c1' } } })
  t.equal((await browser.go(`${url}/admin/x`)).status, 200, 'a single text is as good as a list')
})

t.test('C5.23 who declines to step up keeps the session', async t => {
  const { url, signIn, reachedAdmin } = await start(t)
  const browser = await signIn()
  const authorize = new URL((await browser.visit((await browser.visit(`${url}/admin/x`)).location())).location())
  const answer = new URLSearchParams({ error: 'access_denied', error_subcode: 'cancel', state: authorize.searchParams.get('state')! })
  const page = await browser.visit(`${url}/.auth/callback?${answer}`)
  t.equal(page.headers['scopegate-error'], 'SG_SIGN_IN_REFUSED')
  t.equal((await browser.fetch(`${url}/orders/x`)).status, 200)
  t.equal((await browser.fetch(`${url}/admin/x`)).status, 401)
  t.equal(reachedAdmin(), 0)
})

t.test('a rule comes first: who is not let in is not asked to step up', async t => {
  const { url, signIn } = await start(t)
  t.equal((await (await signIn()).visit(`${url}/staff/x`)).headers['scopegate-error'], 'SG_ACCESS_DENIED')
})

t.test('a WebSocket is opened with the context only', async t => {
  const { live, url, signIn } = await start(t)
  const browser = await signIn()
  await t.rejects(openWebSocket(t, `${url}/live/x`, { cookie: cookieOf(browser, url) }), { message: 'refused with 401 SG_SIGN_IN_REQUIRED' })
  await t.rejects(openWebSocket(t, `${url}/live/x`), { message: 'refused with 401 SG_SIGN_IN_REQUIRED' })
  t.equal(live.seen.length, 0)
  t.equal((await browser.go(`${url}/admin/x`)).status, 200)
  const { socket, message } = await openWebSocket(t, `${url}/live/x`, { cookie: cookieOf(browser, url) })
  socket.send('hello')
  t.equal((await message()).toString(), 'hello')
})
