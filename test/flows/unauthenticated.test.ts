/** This file checks what a request without a session meets: a redirect, an answer for a script, and never the upstream. */
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

t.test('without a session', async t => {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [
      { path: '/assets/*', upstream: 'app', access: 'public' },
      { path: '/maybe/*', upstream: 'app', access: 'optional' },
      { path: '/api/*', upstream: 'app', unauthenticated: '401' },
      { path: '/pages/*', upstream: 'app', unauthenticated: 'redirect' },
      { path: '/known/*', upstream: 'app', methods: ['POST'] },
      { path: '/app/*', upstream: 'app' }
    ]
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })

  await t.test('a navigation goes to the sign-in and remembers the page', async t => {
    const reply = await browser.visit(`${url}/app/orders?page=2`)
    t.equal(reply.status, 302)
    t.equal(reply.headers.location, '/.auth/login?post_login_redirect_uri=%2Fapp%2Forders%3Fpage%3D2')
    t.equal(reply.headers['cache-control'], 'no-store')
  })

  await t.test('an old browser\'s navigation is recognised by Accept', async t => {
    const old = { 'sec-fetch-mode': '', 'sec-fetch-dest': '', 'sec-fetch-site': '' }
    const plain = createBrowser(t, {})
    const reply = await plain.fetch(`${url}/app/`, { headers: { ...old, accept: 'text/html' } })
    t.equal(reply.status, 401, 'empty Sec-Fetch fields are still fields')
  })

  await t.test('C3.7 a script gets 401 with a problem document, a sign-in link, a reason and a challenge, and no cookie', async t => {
    const reply = await browser.fetch(`${url}/app/data`, { headers: { referer: `${url}/app/page?x=1` } })
    t.equal(reply.status, 401)
    t.equal(reply.headers['content-type'], 'application/problem+json')
    t.equal(reply.headers['scopegate-error'], 'SG_SIGN_IN_REQUIRED')
    t.match(reply.headers['www-authenticate'], /^Bearer realm="scopegate", reason="sign_in_required", login_url="\/\.auth\/login\?/)
    t.equal(reply.headers['set-cookie'], undefined)
    t.match(reply.json(), {
      type: 'urn:scopegate:error:SG_SIGN_IN_REQUIRED',
      title: String,
      status: 401,
      code: 'SG_SIGN_IN_REQUIRED',
      reason: 'sign_in_required',
      loginUrl: '/.auth/login?post_login_redirect_uri=%2Fapp%2Fpage%3Fx%3D1',
      requestId: /^[0-9a-f-]{36}$/
    })
  })

  await t.test('a foreign referer is not returned to', async t => {
    const reply = await browser.fetch(`${url}/app/data`, { headers: { referer: 'https://evil.example/app' } })
    t.equal(reply.json().loginUrl, '/.auth/login?post_login_redirect_uri=%2F')
  })

  await t.test('C3.8 a posted form is sent to the sign-in without its body, and comes back to the page with the form', async t => {
    const reply = await browser.visit(`${url}/app/orders`, { method: 'POST', body: 'a=1', headers: { referer: `${url}/app/form` } })
    t.equal(reply.status, 302)
    t.equal(reply.headers.location, '/.auth/login?post_login_redirect_uri=%2Fapp%2Fform')
  })

  await t.test('an API client with a bearer token is never redirected', async t => {
    const reply = await browser.visit(`${url}/app/`, { headers: { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' } })
    t.equal(reply.status, 401)
  })

  await t.test('a route can decide for all its requests', async t => {
    t.equal((await browser.visit(`${url}/api/x`)).status, 401)
    t.equal((await browser.fetch(`${url}/pages/x`)).status, 302)
  })

  await t.test('what is not listed asks for a sign-in first', async t => {
    t.equal((await browser.visit(`${url}/nowhere`)).status, 302)
    t.equal((await browser.fetch(`${url}/nowhere`)).status, 401)
    t.equal((await browser.fetch(`${url}/known/x`)).status, 401, 'a listed path with another method')
  })

  t.equal(app.seen.length, 0, 'the upstream was reached by none of these')

  await t.test('public and optional routes go on', async t => {
    const asset = await browser.fetch(`${url}/assets/app.js`)
    t.equal(asset.status, 200)
    t.equal(asset.json().headers.authorization, undefined)
    t.equal((await browser.fetch(`${url}/maybe/x`)).status, 200)
  })

  await t.test('with a session, what is not listed is 404', async t => {
    t.equal((await browser.go(`${url}/app/`)).status, 200)
    t.equal((await browser.visit(`${url}/nowhere`)).status, 404)
    t.equal((await browser.fetch(`${url}/known/x`)).json().code, 'SG_ROUTE_UNKNOWN')
    t.match((await browser.fetch(`${url}/maybe/x`)).json().headers.authorization, /^Bearer eyJ/)
    t.equal((await browser.fetch(`${url}/assets/app.js`)).json().headers.authorization, undefined, 'public routes get no token')
  })
})
