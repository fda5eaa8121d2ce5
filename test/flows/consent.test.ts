/** This file checks that consent grows route by route: asked for when a route needs it, with just that route's scopes. */
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { createVerifier } from '../support/jwt.ts'
import { startUpstream } from '../support/upstream.ts'

async function start (t: Test) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/write/*', upstream: 'app', scopes: ['api://orders/Orders.Write'] },
      { path: '/reports/*', upstream: 'app', scopes: ['api://reports/Reports.Read'] },
      { path: '/*', upstream: 'app' }
    ]
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'bob@contoso.example' })
  await browser.go(`${url}/`)
  return { entra, app, url, browser }
}

function authorizeScopes (location: string): string[] {
  return new URL(location).searchParams.get('scope')?.split(' ') ?? []
}

t.test('a script that needs a scope which was not consented to gets 401 with the reason, and the link asks for that scope', async t => {
  const { app, url, browser } = await start(t)
  const before = app.seen.length
  const reply = await browser.fetch(`${url}/write/1`, { method: 'POST', headers: { referer: `${url}/form` } })
  t.equal(reply.status, 401)
  const { code, reason, loginUrl } = reply.json()
  t.same({ code, reason }, { code: 'SG_SIGN_IN_REQUIRED', reason: 'consent_required' })
  t.match(reply.headers['www-authenticate'], /scope="api:\/\/orders\/Orders\.Write"/)
  t.equal(app.seen.length, before, 'the upstream was not reached')

  const login = await browser.visit(url + loginUrl)
  const asked = authorizeScopes(login.location())
  t.ok(asked.includes('api://orders/Orders.Write'))
  t.notOk(asked.includes('api://reports/Reports.Read'), 'nothing of another route')

  const back = await browser.go(url + loginUrl)
  t.equal(back.url, `${url}/form`, 'back on the page that made the call')
  t.equal((await browser.fetch(`${url}/write/1`, { method: 'POST' })).status, 200)
})

t.test('a navigation that needs another scope is sent through consent and ends on its page with the token', async t => {
  const { entra, url, browser } = await start(t)
  const page = await browser.go(`${url}/reports/2026`)
  t.equal(page.status, 200)
  const token = await (await createVerifier(entra))(page.json().headers.authorization)
  t.equal(token.scp, 'Reports.Read')
})

t.test('a request cannot choose what is asked for', async t => {
  const { url, browser } = await start(t)
  for (const query of ['scope=api://orders/Orders.Admin', 'need=api://orders/Orders.Admin', 'prompt=none', 'redirect_uri=https://evil.example', 'client_id=x', 'claims={}']) {
    const login = await browser.visit(`${url}/.auth/login?${query}`)
    const asked = new URL(login.location()).searchParams
    t.same(asked.get('scope')?.split(' ').sort(), ['offline_access', 'openid', 'profile'], query)
    t.equal(asked.get('redirect_uri'), `${url}/.auth/callback`)
    t.equal(asked.get('prompt'), null)
  }
})

t.test('what one session needs cannot be asked of another user', async t => {
  const { entra, url, browser } = await start(t)
  const { loginUrl } = (await browser.fetch(`${url}/write/1`)).json()
  const victim = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await victim.go(`${url}/`)
  const login = await victim.visit(url + loginUrl)
  t.notOk(authorizeScopes(login.location()).includes('api://orders/Orders.Write'))
})

t.test('a sign-in that does not help ends on a page after three rounds in a minute, and only that sign-in', async t => {
  const { url, browser } = await start(t)
  const again = `${url}/.auth/login?post_login_redirect_uri=%2Fsame`
  for (let round = 1; round <= 3; round++) t.equal((await browser.go(again)).status, 200, `round ${round}`)
  const fourth = await browser.go(again)
  t.equal(fourth.status, 403)
  t.equal(fourth.headers['scopegate-error'], 'SG_SIGN_IN_LOOP')
  t.equal((await browser.go(`${url}/reports/1`)).status, 200, 'another page and need is no loop')
})
