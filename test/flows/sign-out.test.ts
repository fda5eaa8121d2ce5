/** This file follows a sign-out: the session here, its tokens, and the session at the provider. */
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { signIn as signInAt } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

async function start (t: Test) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    entra: { initialScopes: ['api://orders/Orders.Read'] }
  })
  const signIn = async (user = 'alice@contoso.example') => {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    await browser.go(`${url}/`)
    return browser
  }
  return { entra, app, url, signIn }
}

t.test('signing out ends the session here and at the provider, and shows a page', async t => {
  const { app, url, signIn } = await start(t)
  const browser = await signIn()
  const cookie = browser.cookies(url).get('scopegate')!
  const out = await browser.visit(`${url}/.auth/logout`, { headers: { 'sec-fetch-site': 'same-origin' } })
  t.equal(out.status, 303)
  const provider = new URL(out.location())
  t.match(provider.pathname, /\/oauth2\/v2\.0\/logout$/)
  t.equal(provider.searchParams.get('post_logout_redirect_uri'), `${url}/.auth/logout/done`)
  t.ok(provider.searchParams.get('logout_hint'), 'the account picker is spared')
  t.equal(browser.cookies(url).get('scopegate'), undefined, 'the cookie is gone')

  const before = app.seen.length
  browser.setCookie(url, 'scopegate', cookie)
  t.equal((await browser.fetch(`${url}/`)).status, 401, 'the old cookie is worth nothing')
  t.equal(app.seen.length, before)

  const done = await browser.visit(`${url}/.auth/logout/done`)
  t.equal(done.status, 200)
  t.match(done.body, /You are signed out/)
})

t.test('the page that was asked for comes after the provider\'s sign-out, if it is ours', async t => {
  const { url, signIn } = await start(t)
  const browser = await signIn()
  await browser.visit(`${url}/.auth/logout?post_logout_redirect_uri=${encodeURIComponent('/bye?x=1')}`)
  const done = await browser.visit(`${url}/.auth/logout/done`)
  t.equal(done.status, 303)
  t.equal(done.headers.location, '/bye?x=1')

  const other = await signIn()
  await other.visit(`${url}/.auth/logout?post_logout_redirect_uri=${encodeURIComponent('https://evil.example/')}`)
  t.equal((await other.visit(`${url}/.auth/logout/done`)).status, 200)
})

t.test('another site can only ask', async t => {
  const { url, signIn } = await start(t)
  const browser = await signIn()
  for (const site of ['cross-site', 'same-site']) {
    const asked = await browser.visit(`${url}/.auth/logout`, { headers: { 'sec-fetch-site': site } })
    t.equal(asked.status, 200)
    t.match(asked.body, /<form method="post" action="\/\.auth\/logout/)
    const everywhere = await browser.visit(`${url}/.auth/logout?scope=all`, { headers: { 'sec-fetch-site': site } })
    t.match(everywhere.body, /action="[^"]*scope=all/, 'what was asked for is asked back')
    const posted = await browser.visit(`${url}/.auth/logout`, { method: 'POST', headers: { 'sec-fetch-site': site } })
    t.equal(posted.status, 403)
    t.equal(posted.headers['scopegate-error'], 'SG_ORIGIN_REFUSED')
  }
  t.equal((await browser.fetch(`${url}/`)).status, 200, 'still signed in')
  const posted = await browser.visit(`${url}/.auth/logout`, { method: 'POST', body: '', headers: { 'sec-fetch-site': 'same-origin' } })
  t.equal(posted.status, 303)
  t.equal((await browser.fetch(`${url}/`)).status, 401)
})

t.test('another session of the same user lives on, and its tokens with it', async t => {
  const { entra, url, signIn } = await start(t)
  const [first, second] = [await signIn(), await signIn()]
  await first.visit(`${url}/.auth/logout`)
  t.equal((await first.fetch(`${url}/`)).status, 401)
  t.equal((await second.fetch(`${url}/`)).status, 200)

  const before = entra.requests().length
  await second.visit(`${url}/.auth/logout`)
  const third = await signIn()
  t.equal((await third.fetch(`${url}/`)).status, 200)
  t.ok(entra.requests().slice(before).some(call => call.endpoint === 'token'), 'tokens come from a new sign-in')
})

t.test('signing out everywhere ends every session of the user, and of nobody else', async t => {
  const { url, signIn } = await start(t)
  const [here, there] = [await signIn(), await signIn()]
  const bob = await signIn('bob@contoso.example')
  const out = await here.visit(`${url}/.auth/logout?scope=all`, { headers: { 'sec-fetch-site': 'same-origin' } })
  t.equal(out.status, 303)
  for (const browser of [here, there]) t.equal((await browser.fetch(`${url}/`)).status, 401)
  t.equal((await bob.fetch(`${url}/`)).status, 200)
})

t.test('the provider\'s sign-out ends the session by sid, without a cookie, in a frame of the provider only', async t => {
  const { entra, url, signIn } = await start(t)
  const browser = await signIn()
  const sid = (await browser.fetch(`${url}/.auth/me`)).json()[0].user_claims.find((claim: { typ: string }) => claim.typ === 'sid').val
  const frame = createBrowser(t)
  for (const query of ['', '?sid=', '?sid=somebody-elses', `?sid=${'x'.repeat(4000)}`, `?sid=${sid}&sid=other`]) {
    t.equal((await frame.visit(`${url}/.auth/frontchannel-logout${query}`)).status, 200)
  }
  t.equal((await browser.fetch(`${url}/`)).status, 200, 'none of these was meant')

  const reply = await frame.visit(`${url}/.auth/frontchannel-logout?sid=${sid}`)
  t.equal(reply.status, 200)
  t.equal(reply.headers['cache-control'], 'no-store')
  t.equal(reply.headers['content-security-policy'], `default-src 'none'; frame-ancestors ${entra.origin}`)
  t.equal((await browser.fetch(`${url}/`)).status, 401)
  t.equal((await signIn().then(async again => await again.fetch(`${url}/`))).status, 200, 'tokens were not revoked')
})

t.test('a provider\'s sign-out that names an issuer ends sessions of that issuer only', async t => {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { management: { port: 0 } }
  })
  const { url } = gateway
  const { browser } = await signInAt(t, { url, entra })
  const claims: { typ: string, val: string }[] = (await browser.fetch(`${url}/.auth/me`)).json()[0].user_claims
  const [sid, iss] = ['sid', 'iss'].map(name => claims.find(({ typ }) => typ === name)!.val) as [string, string]
  const frame = createBrowser(t)
  const told = async (query: [string, string][]): Promise<void> => {
    t.equal((await frame.visit(`${url}/.auth/frontchannel-logout?${new URLSearchParams(query)}`)).status, 200)
  }
  for (const others of [[''], ['https://other.example/v2.0'], [iss, iss], [iss, 'https://other.example/v2.0']]) {
    await told([['sid', sid], ...others.map((other): [string, string] => ['iss', other])])
  }
  t.equal((await browser.fetch(`${url}/`)).status, 200, 'none of these was meant')
  await told([['sid', sid], ['iss', iss]])
  t.equal((await browser.fetch(`${url}/`)).status, 401)
  const metrics = await createBrowser(t).fetch(`http://127.0.0.1:${gateway.managementPort}/metrics`)
  t.match(metrics.body, 'scopegate_sessions_ended_total{reason="provider"} 1\n')
})
