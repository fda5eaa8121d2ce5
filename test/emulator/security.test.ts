/** What keeps the emulator from being a hole in the machine it runs on. */
import t from 'tap'
import { Agent, request } from 'undici'
import { authorizeUrl, autologin, pageCode, replyOf } from './support/authorize.ts'
import { configWith } from './support/config.ts'
import { CONTOSO } from './support/msal.ts'
import { startWorld } from './support/world.ts'
import { startEmulator } from '../../emulator/start.ts'

t.test('it binds loopback, and other addresses only when told so; the admin API then wants a token', async (t) => {
  await t.rejects(startEmulator({ host: '0.0.0.0' }), { message: /not a loopback address/ })
  const { entra, browser } = await startWorld(t, { host: '0.0.0.0', allowRemote: true, admin: true })
  t.ok(entra.adminToken)
  t.equal((await browser.get('/_emulator/state')).status, 403)
  t.equal((await browser.get('/_emulator/state', { authorization: 'Bearer guess' })).status, 403)
  t.equal((await browser.get('/_emulator/state', { authorization: `Bearer ${entra.adminToken}` })).status, 200)
})

t.test('the admin API refuses web pages: a foreign Origin, a foreign Host', async (t) => {
  const { entra, browser } = await startWorld(t, { admin: true })
  const reset = (headers: Record<string, string>) => browser.post('/_emulator/reset', {}, headers)
  t.equal((await reset({ origin: 'https://evil.example' })).status, 403)
  t.equal((await reset({ origin: 'null' })).status, 403)
  // A rebound name does not pass certificate checks either; here it is the server that is looked at.
  const dispatcher = new Agent({ connect: { ca: entra.caPem, checkServerIdentity: () => undefined } })
  t.teardown(() => dispatcher.close())
  // fetch() would not let the Host be changed.
  const rebound = await request(`${entra.origin}/_emulator/state`, { dispatcher, headers: { host: 'evil.example' } })
  t.equal(rebound.statusCode, 403, 'DNS rebinding')
  await rebound.body.dump()
  t.equal((await reset({ origin: entra.origin })).status, 200)
})

t.test('policies are switched on the index page only with its own form', async (t) => {
  const { browser, entra } = await startWorld(t, { admin: true })
  const isOn = () => JSON.stringify(entra.admin.state()).includes('"name":"MFA for c1","enabled":true')
  const index = await browser.get('/')
  t.match(index.body, 'data-testid="policy-toggle"')
  await browser.post('/policy', { policy: '88888888-8888-4888-8888-888888888881', flow: 'guess' })
  t.ok(isOn())
  await browser.click(index, 'policy-toggle')
  t.notOk(isOn())
  const off = await startWorld(t)
  t.notMatch((await off.browser.get('/')).body, 'policy-toggle', 'without the admin API there is no switch')
})

t.test('every page has a strict policy, and frames only on sign-out', async (t) => {
  const { browser } = await startWorld(t)
  const pages = [await browser.get(authorizeUrl()), await browser.get(authorizeUrl({ client_id: 'x' })), await browser.get('/')]
  for (const page of pages) {
    const policy = page.headers.get('content-security-policy') ?? ''
    t.match(policy, "default-src 'none'")
    t.match(policy, "frame-ancestors 'none'")
    t.notMatch(policy, /script-src|frame-src|unsafe/)
    t.equal(page.headers.get('x-content-type-options'), 'nosniff')
    t.equal(page.headers.get('cache-control'), 'no-store, no-cache')
  }
  t.match(pages[0]!.headers.get('content-security-policy'), "form-action 'self' http://localhost:8080;", 'a form may end at the app')
  t.match(pages[1]!.headers.get('content-security-policy'), "form-action 'self';")
})

t.test('whatever comes from outside is escaped', async (t) => {
  const hostile = '"><script>alert(1)</script>'
  const config = configWith({ apps: { Gateway: { name: hostile } }, users: { 'alice@contoso.example': { name: hostile, roles: {} } } })
  const { browser } = await startWorld(t, { config })
  const picker = await browser.get(authorizeUrl())
  const form = await browser.get(authorizeUrl({ login_hint: 'bob@contoso.example' }))
  const pages = [
    picker,
    await browser.click(form, 'submit', { username: hostile }),
    await browser.click(picker, 'account-tile@alice@contoso.example'),
    await browser.get(authorizeUrl({ redirect_uri: hostile })),
    await browser.get(authorizeUrl({}, encodeURIComponent(hostile))),
    await browser.get('/')
  ]
  for (const page of pages) {
    t.notMatch(page.body, '<script>')
    t.match(page.body, '&lt;script&gt;')
  }
})

t.test('a form without its flow id does nothing, nor does one of another kind', async (t) => {
  const { browser, entra } = await startWorld(t)
  t.equal(pageCode(await browser.post('/flow/pick', { upn: 'alice@contoso.example' })), 90100)
  t.equal(pageCode(await browser.post('/flow/pick', { upn: 'alice@contoso.example', flow: 'x'.repeat(43) })), 90100)
  const picker = await browser.get(authorizeUrl())
  const [, flow = ''] = /name="flow" value="([^"]*)"/.exec(picker.body) ?? []
  t.equal(pageCode(await browser.post('/flow/constructor', { flow })), 90100)
  t.strictSame(entra.admin.sessions(), [])
})

t.test('steps cannot be skipped by posting to a later one', async (t) => {
  const { browser, entra } = await startWorld(t)
  const flowOf = (body: string) => /name="flow" value="([^"]*)"/.exec(body)![1]!
  const start = async () => flowOf((await browser.get(authorizeUrl({ scope: 'openid api://orders/Orders.Admin' }))).body)
  const isSignedIn = () => entra.admin.sessions().length > 0

  const flow = await start()
  for (const action of ['consent', 'mfa', 'password', 'stay-signed-in']) await browser.post(`/flow/${action}`, { flow, answer: 'accept', password: '' })
  t.notOk(isSignedIn(), 'no account was chosen')
  const carol = await browser.post('/flow/pick', { flow, upn: 'carol@contoso.example' })
  t.match(carol.body, 'data-testid="password"')
  for (const answer of ['accept', 'approve']) await browser.post(`/flow/${answer === 'accept' ? 'consent' : 'mfa'}`, { flow, answer })
  t.notOk(isSignedIn(), 'the password is still missing')

  const alice = await browser.post('/flow/pick', { flow: await start(), upn: 'alice@contoso.example' })
  t.equal(pageCode(alice), 90094)
  const forced = await browser.post('/flow/consent', { flow: flowOf(alice.body), answer: 'accept', forAll: 'yes' })
  t.equal(pageCode(forced), 90094, 'a user cannot give what only an admin may')
  t.notOk('code' in replyOf(forced))
})

t.test('a sign-in renews the session cookie, and cookies are not for scripts', async (t) => {
  const { browser } = await startWorld(t)
  const answer = await browser.get(authorizeUrl({ autologin: 'alice@contoso.example', autoconsent: '1' }))
  t.match(answer.headers.get('set-cookie'), /^ESTSAUTH=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=None$/)
  const first = browser.cookies.get('ESTSAUTH')
  await autologin(browser, { autologin: 'bob@contoso.example', prompt: 'select_account' })
  t.not(browser.cookies.get('ESTSAUTH'), first)
})

t.test('microsoft as the issuer needs a flag and still signs with own keys', async (t) => {
  const config = configWith({ config: { issuerMode: 'microsoft' } })
  await t.rejects(startEmulator({ config }), { message: /has to be allowed/ })
  const { browser } = await startWorld(t, { config, allowMicrosoftIssuer: true })
  const { issuer, token_endpoint: endpoint } = JSON.parse((await browser.get(`/${CONTOSO}/v2.0/.well-known/openid-configuration`)).body) as Record<string, string>
  t.equal(issuer, `https://login.microsoftonline.com/${CONTOSO}/v2.0`)
  t.match(endpoint, 'https://localhost:')
})

t.test('a secret that looks real is not used, and not repeated', async (t) => {
  // Assembled here, so that no scanner takes it for a leaked one.
  const real = ['abc', '8', 'Q', '~', 'x'.repeat(34)].join('')
  const { entra, browser } = await startWorld(t, { config: configWith({ apps: { Gateway: { secrets: [{ value: real }] } } }) })
  t.equal(entra.warnings.length, 1)
  t.notMatch(entra.warnings[0], real)
  const answer = await browser.post(`/${CONTOSO}/oauth2/v2.0/token`, {
    client_id: '22222222-2222-4222-8222-222222222222', client_secret: real, grant_type: 'client_credentials', scope: 'api://orders/.default'
  })
  t.equal(answer.status, 401)
})

t.test('plain http: for clients that are told the endpoints; cookies then do without Secure', async (t) => {
  const { entra, browser } = await startWorld(t, { config: configWith({ config: { tls: 'off' } }) })
  t.match(entra.origin, /^http:\/\/localhost:\d+$/)
  const answer = await browser.get(authorizeUrl({ autologin: 'alice@contoso.example', autoconsent: '1' }))
  t.match(answer.headers.get('set-cookie'), /HttpOnly; SameSite=Lax$/)
})
