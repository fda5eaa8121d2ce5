/** /authorize as a protocol: what stays on a page, what is redirected, and in which form. */
import t from 'tap'
import { decodeJwt } from 'jose'
import { authorizeUrl, autologin, pageCode, replyOf } from './support/authorize.ts'
import { configWith } from './support/config.ts'
import { CALLBACK } from './support/msal.ts'
import { startWorld } from './support/world.ts'

t.test('before the reply address is known to be good, errors stay on a page', async (t) => {
  const { browser } = await startWorld(t)
  const cases: [number, string][] = [
    [90002, authorizeUrl({}, 'nowhere.example')],
    [900144, authorizeUrl({ client_id: undefined })],
    [700016, authorizeUrl({ client_id: '00000000-0000-4000-8000-000000000000' })],
    [50194, authorizeUrl({}, 'common')],
    [50011, authorizeUrl({ redirect_uri: 'https://evil.example/' })]
  ]
  for (const [code, url] of cases) {
    const page = await browser.get(url)
    t.match([page.status, page.location, pageCode(page)], [400, '', code], `AADSTS${code}`)
    t.match(page.body, /Request Id.*Correlation Id.*Timestamp/s)
  }
})

t.test('redirect URIs: exact, but any port on loopback', async (t) => {
  const { browser } = await startWorld(t)
  const isTaken = async (uri: string) => (await autologin(browser, { redirect_uri: uri })).code !== undefined
  t.ok(await isTaken('http://localhost:54321/.auth/callback'))
  t.ok(await isTaken('http://localhost/.auth/callback'))
  const refused = [
    'http://127.0.0.1:8080/.auth/callback', // registered under the name only
    'https://localhost:8080/.auth/callback',
    'http://localhost:8080/.AUTH/callback',
    'http://localhost:8080/.auth/callback/',
    'http://localhost:8080/.auth/callback?x=1',
    'http://localhost:8080/.auth/callback#x',
    'http://localhost:8080/.auth/../.auth/callback',
    'http://localhost:8080\\.auth/callback',
    'http://user@localhost:8080/.auth/callback',
    'http://localhost.evil.example/.auth/callback',
    `http://localhost:8080/.auth/callback${'x'.repeat(256)}`
  ]
  for (const uri of refused) t.equal(pageCode(await browser.get(authorizeUrl({ redirect_uri: uri }))), 50011, uri)
})

t.test('once it is good, errors are redirected with the state', async (t) => {
  const { browser } = await startWorld(t)
  const cases: [string, RegExp, Record<string, string | undefined>][] = [
    ['unsupported_response_type', /AADSTS700054/, { response_type: 'id_token', nonce: 'n' }],
    ['invalid_request', /AADSTS900144/, { response_type: undefined }],
    ['invalid_request', /AADSTS900144/, { scope: '' }],
    ['invalid_request', /AADSTS90023/, { prompt: 'surprise' }],
    ['invalid_request', /AADSTS90023/, { code_challenge: 'x'.repeat(43), code_challenge_method: 'S512' }],
    ['invalid_request', /AADSTS501481/, { code_challenge: 'short', code_challenge_method: 'S256' }],
    ['invalid_request', /AADSTS90100/, { claims: '{"id_token"' }],
    ['invalid_resource', /AADSTS500011/, { scope: 'api://nowhere/Read' }],
    ['invalid_client', /AADSTS650053/, { scope: 'api://orders/Orders.Fly' }],
    ['invalid_scope', /AADSTS70011/, { scope: 'openid,profile' }],
    ['invalid_scope', /AADSTS70011/, { scope: 'api://orders/.default api://orders/Orders.Read' }],
    ['invalid_request', /AADSTS90009/, { scope: 'api://22222222-2222-4222-8222-222222222222/access_as_user' }]
  ]
  for (const [error, description, changes] of cases) {
    const { location } = await browser.get(authorizeUrl(changes))
    t.ok(location.startsWith(CALLBACK))
    const reply = replyOf({ location } as never)
    t.match(reply, { error, error_description: description, state: 'the state & more', error_uri: /error\?code=/ }, String(description))
  }
})

t.test('prompt=none answers at once, whatever stands in the way', async (t) => {
  const { browser, entra, anotherBrowser } = await startWorld(t)
  const silent = async (changes = {}) => replyOf(await browser.get(authorizeUrl({ prompt: 'none', ...changes })))
  t.match(await silent(), { error: 'login_required', error_description: /AADSTS50058/ })
  await autologin(browser)
  t.ok((await silent()).code)
  t.match(await silent({ login_hint: 'bob@contoso.example' }), { error: 'interaction_required', error_description: /AADSTS160021/ })
  t.match(await silent({ sid: '00000000-0000-4000-8000-000000000000' }), { error: 'interaction_required', error_description: /AADSTS160021/ })
  t.ok((await silent({ sid: entra.admin.sessions()[0]!.accounts[0]!.sid })).code, 'sid picks the session')
  t.match(await silent({ scope: 'openid api://orders/Orders.Write' }), { error: 'consent_required', error_description: /AADSTS65001/ })
  entra.admin.setPolicy('MFA for Orders', true)
  t.match(await silent(), { error: 'interaction_required', error_description: /AADSTS50076/ })
  await autologin(browser, { autologin: 'bob@contoso.example', prompt: 'select_account' })
  t.match(await silent(), { error: 'interaction_required', error_description: /AADSTS16000/ })
  t.match(replyOf(await anotherBrowser().get(authorizeUrl({ prompt: 'none', autologin: 'alice@contoso.example' }))), { error: 'login_required' })
})

t.test('response modes, and the hybrid flow for apps that enabled it', async (t) => {
  const config = configWith({ apps: { Gateway: { implicit: { idToken: true, accessToken: true } } } })
  const { browser } = await startWorld(t, { config })
  const hybrid = await autologin(browser, { response_type: 'code id_token', nonce: 'n1', client_info: '1' })
  const { c_hash: codeHash, nonce } = decodeJwt(hybrid.id_token!)
  t.match({ codeHash, nonce }, { codeHash: /^[\w-]{22}$/, nonce: 'n1' })
  t.match(JSON.parse(Buffer.from(hybrid.client_info!, 'base64url').toString()), { uid: '33333333-3333-4333-8333-333333333331' })
  const { location } = await browser.get(authorizeUrl({ response_type: 'id_token token', nonce: 'n1' }))
  t.match(location, '#', 'tokens come in the fragment')
  t.match(decodeJwt(replyOf({ location } as never).id_token!).at_hash, /^[\w-]{22}$/)
  t.match(await autologin(browser, { response_type: 'id_token', nonce: undefined }), { error: 'invalid_request' }, 'an ID token needs a nonce')
  t.match(await autologin(browser, { response_type: 'id_token', nonce: 'n', response_mode: 'query' }), { error: 'invalid_request' })

  const form = await browser.get(authorizeUrl({ response_mode: 'form_post', state: '"><script>' }))
  t.match(form.body, `<form method="post" action="${CALLBACK}">`)
  t.match(form.body, 'value="&quot;&gt;&lt;script&gt;"')
  t.match(form.body, /<noscript><button data-testid="form-post-continue"/)
  t.match(form.headers.get('content-security-policy'), "form-action 'self' http://localhost:8080")
})

t.test('parameters may come by POST', async (t) => {
  const { browser } = await startWorld(t)
  const { searchParams } = new URL(authorizeUrl({ autologin: 'alice@contoso.example', autoconsent: '1' }), 'https://localhost')
  const answer = await browser.post('/contoso.example/oauth2/v2.0/authorize', Object.fromEntries(searchParams))
  t.ok(replyOf(answer).code)
})
