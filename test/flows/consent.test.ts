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

t.test('C1.22 a script that needs a scope which was not consented to gets 401 with the reason, and the link asks for that scope', async t => {
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

t.test('C5.17 a navigation that needs another scope is sent through consent and ends on its page with the token', async t => {
  const { entra, url, browser } = await start(t)
  const page = await browser.go(`${url}/reports/2026`)
  t.equal(page.status, 200)
  const token = await (await createVerifier(entra))(page.json().headers.authorization)
  t.equal(token.scp, 'Reports.Read')
})

t.test('C5.18 a request cannot choose what is asked for', async t => {
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

t.test('C5.17 a sign-in that does not help ends on a page after three rounds in a minute, and only that sign-in', async t => {
  const { url, browser } = await start(t)
  const again = `${url}/.auth/login?post_login_redirect_uri=%2Fsame`
  for (let round = 1; round <= 3; round++) t.equal((await browser.go(again)).status, 200, `round ${round}`)
  const fourth = await browser.go(again)
  t.equal(fourth.status, 403)
  t.equal(fourth.headers['scopegate-error'], 'SG_SIGN_IN_LOOP')
  t.equal((await browser.go(`${url}/reports/1`)).status, 200, 'another page and need is no loop')
})

t.test('an extra consent that was declined ends on a page, without a loop, and the session stays', async t => {
  const { app, url, browser } = await start(t)
  const before = browser.cookies(url).get('scopegate')
  const login = await browser.visit(`${url}/reports/2026?a=1`)
  const { location } = await browser.visit(login.location())
  const state = new URL(location()).searchParams.get('state')!
  const seen = app.seen.length
  const page = await browser.visit(`${url}/.auth/callback?${new URLSearchParams({ state, error: 'access_denied', error_description: 'AADSTS65004: User declined to consent to access the app.' })}`)
  t.equal(page.status, 403)
  t.equal(page.headers['scopegate-error'], 'SG_CONSENT_NEEDED')
  t.equal(page.headers.location, undefined, 'no loop')
  t.match(page.body, 'data-testid="sign-out"')
  t.equal(browser.cookies(url).get('scopegate'), before)
  t.equal((await browser.fetch(`${url}/x`)).status, 200)
  t.equal(app.seen.length, seen + 1)

  const [, again = ''] = /href="([^"]+)" data-testid="sign-in"/.exec(page.body) ?? []
  const done = await browser.go(url + again.replaceAll('&amp;', '&'))
  t.equal(done.url, `${url}/reports/2026?a=1`, 'trying again asks for the same and comes back to the page')
  t.equal(done.status, 200)
})

t.test('a script that gets the answer to a declined consent is told how to try again, and no more', async t => {
  const { url, browser } = await start(t)
  const login = await browser.visit(`${url}/reports/1`)
  const state = new URL((await browser.visit(login.location())).location()).searchParams.get('state')!
  const reply = await browser.fetch(`${url}/.auth/callback?${new URLSearchParams({ state, error: 'access_denied', error_description: 'AADSTS65004' })}`)
  t.equal(reply.status, 403)
  t.same(Object.keys(reply.json()).sort(), ['code', 'loginUrl', 'requestId', 'status', 'title', 'type'])
  t.match(reply.json(), { code: 'SG_CONSENT_NEEDED', loginUrl: /^\/\.auth\/login\?post_login_redirect_uri=%2Freports%2F1&need=/ })
})

t.test('a provider that denies access without a word of consent has refused the sign-in: nobody is sent to an administrator', async t => {
  const { url, browser } = await start(t)
  const login = await browser.visit(`${url}/reports/1`)
  const state = new URL((await browser.visit(login.location())).location()).searchParams.get('state')!
  const page = await browser.visit(`${url}/.auth/callback?${new URLSearchParams({ state, error: 'access_denied' })}`)
  t.match(page, { status: 403, headers: { 'scopegate-error': 'SG_SIGN_IN_REFUSED' } })
  t.match(page.body, 'data-testid="sign-in"', 'with a way to try again')
  t.notMatch(page.body, 'adminconsent')
  t.equal((await browser.fetch(`${url}/x`)).status, 200, 'the session stays')
})

t.test('the provider that is down at the end of a sign-in is a page from which one can try again', async t => {
  const { entra, url, browser } = await start(t)
  entra.admin.fault({ endpoint: 'token', status: 503, body: {}, match: { grant_type: 'authorization_code' } })
  const page = await browser.go(`${url}/reports/1`)
  t.equal(page.status, 503)
  t.match(page.body, 'data-testid="sign-in"')
  const [, again = ''] = /href="([^"]+)" data-testid="sign-in"/.exec(page.body) ?? []
  t.equal((await browser.go(url + again.replaceAll('&amp;', '&'))).url, `${url}/reports/1`)
})

t.test('the answer to an administrator is a page whoever opens it, and changes nothing', async t => {
  const { entra, url, browser } = await start(t)
  const stranger = createBrowser(t)
  for (const one of [browser, stranger]) {
    const cookies = [...one.cookies(url)]
    const given = await one.visit(`${url}/.auth/callback?admin_consent=True&tenant=11111111-1111-4111-8111-111111111111&scope=x&state=admin-consent`)
    t.equal(given.status, 200)
    t.match(given.body, 'Thank you')
    const calls = entra.requests().length
    const declined = await one.visit(`${url}/.auth/callback?${new URLSearchParams({ error: 'access_denied', error_description: '<b>AADSTS65004</b>', state: 'admin-consent' })}`)
    t.equal(declined.status, 403)
    t.equal(declined.headers['scopegate-error'], 'SG_CONSENT_NEEDED')
    t.notMatch(declined.body, /AADSTS/)
    t.equal((await one.visit(`${url}/.auth/callback?admin_consent=True&code=x&state=x`)).status, 400, 'only with that state')
    t.equal((await one.visit(`${url}/.auth/callback?code=x&state=admin-consent`)).status, 403, 'a code with that state is not looked at')
    t.equal(entra.requests().length, calls)
    t.same([...one.cookies(url)], cookies)
  }
})
