/** Conformance check 13: whom a sign-out ends, which apps hear of it, and where the browser goes. */
import t from 'tap'
import { decodeJwt } from 'jose'
import { accountOf, CONTOSO, GATEWAY, signIn } from './support/msal.ts'
import { startWorld, type TestWorld } from './support/world.ts'

const DONE = 'http://localhost:8080/.auth/logout/done'
const LOGOUT = `/${CONTOSO}/oauth2/v2.0/logout`

const logoutUrl = (parameters: Record<string, string>) => `${LOGOUT}?${new URLSearchParams(parameters).toString()}`

async function signedIn ({ browser, msal }: TestWorld, upn = 'alice@contoso.example') {
  const client = msal()
  const result = await signIn(client, browser, { upn })
  return { client, result, claims: decodeJwt(result.idToken) as { sid: string, login_hint: string } }
}

t.test('the login_hint claim signs out without a picker; the app hears sid and nothing else', async (t) => {
  const world = await startWorld(t)
  const { claims } = await signedIn(world)
  const page = await world.browser.get(logoutUrl({ logout_hint: claims.login_hint, post_logout_redirect_uri: DONE, state: 'a b' }))
  t.match(page.body, 'data-testid="signed-out"')
  const [frame = ''] = /<iframe src="([^"]*)"/.exec(page.body)?.slice(1) ?? []
  t.equal(frame, `http://localhost:8080/.auth/frontchannel-logout?sid=${claims.sid}`)
  t.match(page.body, `url=${DONE}?state=a+b`, 'and goes on to the registered address')
  t.match(page.headers.get('content-security-policy'), 'frame-src http://localhost:8080;')
  t.notOk(world.browser.cookies.has('ESTSAUTH'), 'the session cookie is gone')
})

t.test('iss comes along when the emulator is told so', async (t) => {
  const { loadDefaultConfig } = await import('../../emulator/config/load.ts')
  const world = await startWorld(t, { config: { ...loadDefaultConfig(), quirks: { frontChannelIss: true } } })
  const { claims } = await signedIn(world)
  const page = await world.browser.get(logoutUrl({ logout_hint: claims.login_hint }))
  t.match(page.body, `&amp;iss=${encodeURIComponent(`${world.entra.origin}/${CONTOSO}/v2.0`)}`)
})

t.test('an address that is not registered is not gone to', async (t) => {
  const world = await startWorld(t)
  const { claims, result } = await signedIn(world)
  const hostile = ['https://evil.example/', 'http://localhost:8080/.auth/logout/done/', '//evil.example', 'javascript:alert(1)']
  for (const uri of hostile) {
    const hints = { id_token_hint: result.idToken, client_id: GATEWAY }
    const page = await world.browser.get(logoutUrl({ post_logout_redirect_uri: uri, ...hints }))
    t.notMatch(page.body, /http-equiv|href="[^/]/, uri)
  }
  const wrongApp = { client_id: '66666666-6666-4666-8666-666666666666', logout_hint: claims.login_hint }
  const other = await world.browser.get(logoutUrl({ post_logout_redirect_uri: DONE, ...wrongApp }))
  t.notMatch(other.body, 'http-equiv', 'registered, but for another app')
})

t.test('without a hint, or with a UPN for one, the user picks', async (t) => {
  const world = await startWorld(t)
  await signedIn(world)
  await signedIn(world, 'bob@contoso.example')
  const picker = await world.browser.get(logoutUrl({ logout_hint: 'alice@contoso.example' }))
  t.match(picker.body, 'data-testid="signout-tile"')
  const out = await world.browser.click(picker, 'signout-tile@bob@contoso.example')
  t.match(out.body, 'data-testid="signed-out"')
  const left = world.entra.admin.sessions().flatMap(({ accounts }) => accounts.map(({ oid }) => oid))
  t.strictSame(left, ['33333333-3333-4333-8333-333333333331'], 'Alice stays')
})

t.test('signing out does not revoke refresh tokens', async (t) => {
  const world = await startWorld(t)
  const { client, result } = await signedIn(world)
  await world.browser.get(logoutUrl({ id_token_hint: result.idToken }))
  t.strictSame(world.entra.admin.sessions(), [])
  const silent = await client.acquireTokenSilent({ account: accountOf(result), scopes: ['api://orders/Orders.Read'], forceRefresh: true })
  t.equal(silent.fromCache, false)
})

t.test('nobody signed in: straight to the signed-out page', async (t) => {
  const { browser } = await startWorld(t)
  const page = await browser.get(logoutUrl({ post_logout_redirect_uri: DONE }))
  t.match(page.body, 'data-testid="signed-out"')
  t.match(page.body, `url=${DONE}`)
  const unknown = await browser.get('/nowhere.example/oauth2/v2.0/logout')
  t.match(unknown.body, 'data-aadsts="90002"')
})
