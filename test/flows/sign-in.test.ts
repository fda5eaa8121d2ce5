/** This file follows a user from the first request to a page behind the gateway. */
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

async function start (t: Test, session: Record<string, unknown> = {}) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    session
  })
  const browserOf = (user: string) => createBrowser(t, { ca: entra.caPem, user })
  return { entra, app, gateway, url: gateway.url, browserOf, browser: browserOf('alice@contoso.example') }
}

t.test('a page behind the gateway is reached by signing in, with the route\'s token', async t => {
  const { app, url, browser } = await start(t)
  const first = await browser.visit(`${url}/orders?page=2`)
  t.equal(first.status, 302)
  t.equal(app.seen.length, 0, 'the upstream was not reached')

  const page = await browser.go(`${url}/orders?page=2`)
  t.equal(page.status, 200)
  t.equal(page.json().url, '/orders?page=2')
  t.match(page.json().headers.authorization, /^Bearer eyJ/)
  t.equal(page.headers['scopegate'], undefined, 'an upstream\'s answer is not marked as ours')
})

t.test('C5.7 the sign-in uses a code, PKCE, state and nonce, and returns by query', async t => {
  const { url, browser } = await start(t)
  const login = await browser.visit(`${url}/.auth/login?login_hint=alice@contoso.example&domain_hint=contoso.example`)
  const asked = Object.fromEntries(new URL(login.location()).searchParams)
  t.match(asked, {
    response_type: 'code',
    response_mode: 'query',
    code_challenge_method: 'S256',
    code_challenge: /^[\w-]{43}$/,
    state: /^[\w-]{43}$/,
    nonce: /^[\w-]{43}$/,
    redirect_uri: `${url}/.auth/callback`,
    login_hint: 'alice@contoso.example',
    domain_hint: 'contoso.example'
  })
  const alias = await browser.visit(`${url}/.auth/login/aad`)
  t.equal(alias.status, 302)
})

t.test('the session cookie is opaque, for this host only and out of reach of scripts', async t => {
  const { url, browser } = await start(t)
  await browser.go(`${url}/`)
  const line = browser.received.find(one => one.startsWith('scopegate='))!
  t.match(line, /^scopegate=[\w.-]+; Path=\/; HttpOnly; SameSite=Lax$/)
  t.notMatch(line, /eyJ/)
})

t.test('/.auth/me tells who is signed in, never a token, and does not extend the session', async t => {
  const { gateway, url, browser } = await start(t, { idleSeconds: 600 })
  const none = await browser.fetch(`${url}/.auth/me`)
  t.equal(none.status, 401)
  t.same(none.json(), [])
  t.equal(none.headers['www-authenticate'], 'Bearer realm="scopegate", reason="sign_in_required", login_url="/.auth/login"')

  await browser.go(`${url}/`)
  const me = await browser.fetch(`${url}/.auth/me`)
  t.equal(me.status, 200)
  t.notMatch(me.body, /eyJ/)
  const [who] = me.json()
  t.match(who, { provider_name: 'aad', user_id: 'alice@contoso.example', expires_on: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/ })
  const oid = 'http://schemas.microsoft.com/identity/claims/objectidentifier'
  t.same(who.user_claims.filter((claim: { typ: string }) => claim.typ === oid), [{ typ: oid, val: '33333333-3333-4333-8333-333333333331' }])

  for (let i = 0; i < 3; i++) {
    gateway.clock.advance(240)
    await browser.fetch(`${url}/.auth/me`)
  }
  t.equal((await browser.fetch(`${url}/.auth/me`)).status, 401, 'idle for longer than 600 s')
})

t.test('C4.2 use extends a session until its absolute end', async t => {
  const { app, gateway, url, browser } = await start(t, { idleSeconds: 600, absoluteSeconds: 1500 })
  await browser.go(`${url}/`)
  for (let i = 0; i < 2; i++) {
    gateway.clock.advance(500)
    t.equal((await browser.fetch(`${url}/`)).status, 200)
  }
  gateway.clock.advance(501)
  const before = app.seen.length
  t.equal((await browser.fetch(`${url}/`)).status, 401, 'after 1501 s nothing helps')
  t.equal(app.seen.length, before)
})

t.test('several tabs can sign in at once; each callback works once', async t => {
  const { entra, url, browser } = await start(t)
  const pages = ['/a', '/b', '/c']
  const logins = await Promise.all(pages.map(async page => await browser.visit(`${url}/.auth/login?post_login_redirect_uri=${page}`)))
  const callbacks = []
  for (const login of logins) {
    const answered = await browser.visit(`${login.location()}&autologin=alice@contoso.example&autoconsent=1`)
    callbacks.push(answered.location())
  }
  for (const [i, callback] of [...callbacks.entries()].reverse()) {
    const reply = await browser.visit(callback)
    t.equal(reply.status, 303)
    t.equal(reply.headers.location, pages[i])
  }
  const calls = entra.requests().length
  const again = await browser.visit(callbacks[0]!)
  t.equal(again.status, 400)
  t.equal(entra.requests().length, calls, 'no code is redeemed twice')
  t.equal((await browser.fetch(`${url}/`)).status, 200, 'and nobody is signed out by it')
})

t.test('C4.12 another user in the same browser gets a session and tokens of their own', async t => {
  const { url, browser, browserOf } = await start(t)
  await browser.go(`${url}/`)
  const old = browser.cookies(url).get('scopegate')!
  const bob = browserOf('bob@contoso.example')
  bob.setCookie(url, 'scopegate', old)
  await bob.go(`${url}/.auth/login`)
  t.not(bob.cookies(url).get('scopegate'), old)
  t.equal((await bob.fetch(`${url}/.auth/me`)).json()[0].user_id, 'bob@contoso.example')
  t.equal((await browser.fetch(`${url}/`)).status, 401, 'the session that was there before is over')
})

t.test('a user who cancels ends on a page that offers to start again, without a session', async t => {
  const { url, browser } = await start(t)
  const login = await browser.visit(`${url}/.auth/login`)
  const state = new URL(login.location()).searchParams.get('state')!
  const cancelled = await browser.visit(`${url}/.auth/callback?${new URLSearchParams({ state, error: 'access_denied', error_subcode: 'cancel' })}`)
  t.equal(cancelled.status, 403)
  t.match(cancelled.body, /data-testid="error-code">SG_SIGN_IN_REFUSED</)
  t.match(cancelled.body, /href="\/\.auth\/login\?post_login_redirect_uri=%2F[^"]*" data-testid="sign-in"/)
  t.equal(browser.cookies(url).get('scopegate'), undefined)
})
