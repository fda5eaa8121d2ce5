/** The token endpoint: its order of checks, codes and refresh tokens, and the form of its errors. */
import t from 'tap'
import { createHash } from 'node:crypto'
import { configWith } from './support/config.ts'
import { CALLBACK } from './support/msal.ts'
import { aadstsOf, headlessCode, postToken, redeem } from './support/token-request.ts'
import { startWorld } from './support/world.ts'

const SCOPE = 'openid profile offline_access api://orders/Orders.Read'
const FABRIKAM = '99999999-9999-4999-8999-999999999999'
const wellFormed = (length: number) => `1.${'x'.repeat(length - 2)}`

t.test('the first failing check answers: mending one error shows the next', async (t) => {
  const { browser, entra } = await startWorld(t)
  entra.admin.setPolicy('MFA for Orders', true)
  const { code } = entra.admin.login({ user: 'alice@contoso.example', client: 'Gateway', redirectUri: CALLBACK, scope: SCOPE })
  const form: Record<string, string> = { grant_type: 'password', client_id: 'not-a-guid', client_secret: 'wrong' }
  const next = async (tenant?: string) => aadstsOf(await postToken(browser, form, tenant))
  t.equal(await next('nowhere.example'), 90002)
  t.equal(await next(), 70003)
  form.grant_type = 'authorization_code'
  t.equal(await next(), 900144)
  Object.assign(form, { code: 'garbage', redirect_uri: 'http://localhost:8080/elsewhere' })
  t.equal(await next(), 9002313, 'the form of the code is checked before client and secret')
  form.code = wellFormed(600)
  t.equal(await next(), 700038)
  form.client_id = '22222222-2222-4222-8222-222222222222'
  t.equal(await next(), 7000215)
  form.client_secret = 'gw-secret'
  t.equal(await next(), 70000)
  form.code = code
  t.equal(await next(FABRIKAM), 700016, 'the app is not in that tenant')
  t.equal(await next(), 500112)
  form.redirect_uri = CALLBACK
  form.code_verifier = 'x'.repeat(43)
  t.equal(await next(), 501481, 'a verifier without a challenge')
  delete form.code_verifier
  entra.admin.updateUser('alice@contoso.example', { state: 'disabled' })
  t.equal(await next(), 50057)
  t.equal(await next(), 54005, 'the code is used up by now')
})

t.test('after the user: revocation, scope, consent, policy', async (t) => {
  const { browser, entra } = await startWorld(t)
  const first = await redeem(browser, headlessCode(entra, { scope: SCOPE }), { scope: SCOPE })
  const refresh = async (scope: string) => aadstsOf(await postToken(browser, { grant_type: 'refresh_token', refresh_token: String(first.json.refresh_token), scope }))
  entra.admin.setPolicy('MFA for Orders', true)
  t.equal(await refresh('a,b'), 70011)
  t.equal(await refresh('api://nowhere/x'), 500011)
  t.equal(await refresh('api://orders/Orders.Fly'), 650053)
  t.equal(await refresh('api://orders/Orders.Write'), 65001)
  t.equal(await refresh('api://orders/Orders.Read'), 50076)
  entra.admin.setPolicy('MFA for Orders', false)
  t.equal(await refresh('api://orders/Orders.Read'), undefined)
  entra.admin.updateUser('alice@contoso.example', { revoke: true })
  t.equal(await refresh('a,b'), 50173)
})

t.test('requests that are not forms, or repeat a parameter', async (t) => {
  const { browser, entra } = await startWorld(t)
  const url = '/contoso.example/oauth2/v2.0/token'
  const json = await browser.post(url, { grant_type: 'client_credentials' }, { 'content-type': 'application/json' })
  t.equal(json.status, 400)
  const text = await browser.post(url, { grant_type: 'client_credentials' }, { 'content-type': 'text/plain' })
  t.match(JSON.parse(text.body), { error: 'invalid_request', error_codes: [900144] })
  const twice = await browser.postText(url, 'grant_type=client_credentials&scope=a&scope=b')
  t.match(JSON.parse(twice.body), { error_codes: [90100] })
  t.equal(entra.requests().at(-1)?.aadsts, 90100, 'the log has the code')
})

t.test('an error has the shape of the live ones', async (t) => {
  const { browser } = await startWorld(t)
  const answer = await browser.post('/contoso.example/oauth2/v2.0/token?client-request-id=11111111-2222-4333-8444-555555555555', {
    grant_type: 'refresh_token', refresh_token: wellFormed(1200), client_id: '22222222-2222-4222-8222-222222222222', client_secret: 'gw-secret'
  })
  const json = JSON.parse(answer.body) as Record<string, string>
  t.match(json, {
    error: 'invalid_grant',
    error_codes: [70000],
    timestamp: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/,
    trace_id: /^[0-9a-f-]{36}$/,
    correlation_id: '11111111-2222-4333-8444-555555555555',
    error_uri: /\/error\?code=70000$/
  })
  t.equal(json.error_description, `AADSTS70000: Provided grant is invalid or malformed. Trace ID: ${json.trace_id} Correlation ID: ${json.correlation_id} Timestamp: ${json.timestamp}`)
  t.equal(answer.headers.get('x-ms-request-id'), json.trace_id)
  t.equal(answer.headers.get('cache-control'), 'no-store, no-cache')
  t.equal(answer.headers.get('pragma'), 'no-cache')
  const noPage = await postToken(browser, { grant_type: 'password' })
  t.notOk('error_uri' in noPage.json, 'codes without a public page have no error_uri')
})

t.test('codes: PKCE, ten minutes, once, even when redeemed twice at the same time', async (t) => {
  const { browser, entra } = await startWorld(t)
  const verifier = 'v'.repeat(43)
  const challenge = { value: createHash('sha256').update(verifier).digest('base64url'), method: 'S256' } as const
  t.equal((await redeem(browser, headlessCode(entra, { challenge }), { code_verifier: verifier })).status, 200)
  t.equal(aadstsOf(await redeem(browser, headlessCode(entra, { challenge }), { code_verifier: 'w'.repeat(43) })), 501481)
  t.equal(aadstsOf(await redeem(browser, headlessCode(entra, { challenge }))), 501481)
  t.equal((await redeem(browser, headlessCode(entra, { challenge: { value: verifier, method: 'plain' } }), { code_verifier: verifier })).status, 200)

  const code = headlessCode(entra)
  const both = await Promise.all([redeem(browser, code), redeem(browser, code)])
  t.strictSame(both.map(aadstsOf).sort(), [54005, undefined])

  const late = headlessCode(entra)
  entra.admin.clock.advance(601)
  t.equal(aadstsOf(await redeem(browser, late)), 70008)
})

t.test('refresh tokens: reusable, 90 days, for one client', async (t) => {
  const { browser, entra } = await startWorld(t)
  const first = await redeem(browser, headlessCode(entra, { scope: SCOPE }), { scope: SCOPE })
  const token = String(first.json.refresh_token)
  t.equal(token.length, 1200)
  const refresh = (extra = {}) => postToken(browser, { grant_type: 'refresh_token', refresh_token: token, scope: SCOPE, ...extra })
  const again = await refresh()
  t.equal(again.status, 200)
  t.not(again.json.refresh_token, token, 'a new one each time')
  t.equal((await refresh()).status, 200, 'and the old one goes on working')
  t.equal((await refresh({ scope: 'api://orders/Orders.Read openid' })).json.id_token !== undefined, true)
  t.equal(aadstsOf(await refresh({ client_id: '66666666-6666-4666-8666-666666666666', no_credential: '1' })), 70000)
  entra.admin.clock.advance(7_776_001)
  t.equal(aadstsOf(await refresh()), 700082)
})

t.test('several resources, or no scope at all', async (t) => {
  const two = 'openid offline_access api://orders/Orders.Read api://reports/Reports.Read'
  const { browser, entra } = await startWorld(t)
  entra.admin.grant({ client: 'Gateway', resource: 'api://reports', scopes: ['Reports.Read'] })
  t.equal(aadstsOf(await redeem(browser, headlessCode(entra, { scope: two }), { scope: two })), 28000)
  const silent = await redeem(browser, headlessCode(entra, { scope: two }))
  t.equal(silent.json.scope, 'api://orders/Orders.Read', 'without scope: the first resource of the sign-in')
  const refreshed = await postToken(browser, { grant_type: 'refresh_token', refresh_token: String(silent.json.refresh_token), scope: two })
  t.equal(refreshed.json.scope, 'api://orders/Orders.Read', 'a refresh takes the first')

  const strict = await startWorld(t, { config: configWith({ config: { quirks: { strictRefreshScopes: true, requireTokenScope: true, refreshReuse: 'revoke', descriptionStyle: 'crlf' } } }) })
  strict.entra.admin.grant({ client: 'Gateway', resource: 'api://reports', scopes: ['Reports.Read'] })
  const empty = await redeem(strict.browser, headlessCode(strict.entra, { scope: two }))
  t.equal(aadstsOf(empty), 28003)
  t.match(empty.json.error_description, /\r\nTrace ID: .*\r\nCorrelation ID: /)
  const { json } = await redeem(strict.browser, headlessCode(strict.entra, { scope: SCOPE }), { scope: SCOPE })
  const refresh = (scope: string) => postToken(strict.browser, { grant_type: 'refresh_token', refresh_token: String(json.refresh_token), scope })
  t.equal((await refresh(SCOPE)).status, 200)
  t.equal(aadstsOf(await refresh(SCOPE)), 70000, 'a used one is gone')
  const next = await redeem(strict.browser, headlessCode(strict.entra, { scope: SCOPE }), { scope: SCOPE })
  t.equal(aadstsOf(await postToken(strict.browser, { grant_type: 'refresh_token', refresh_token: String(next.json.refresh_token), scope: two })), 28000)
})

t.test('client credentials: exactly one .default, a tenant, and a role where the API demands one', async (t) => {
  const config = configWith({ apps: { 'Reports API': { assignmentRequired: true } } })
  const { browser } = await startWorld(t, { config })
  const ask = async (scope: string, tenant?: string) => await postToken(browser, { grant_type: 'client_credentials', scope }, tenant)
  t.strictSame(Object.keys((await ask('api://orders/.default')).json).sort(), ['access_token', 'expires_in', 'ext_expires_in', 'token_type'])
  t.equal(aadstsOf(await ask('api://orders/Orders.Read')), 1002012)
  t.equal(aadstsOf(await ask('api://orders/.default openid')), 1002012)
  t.equal(aadstsOf(await ask('api://nowhere/.default')), 500011)
  t.equal(aadstsOf(await ask('api://reports/.default')), 501051)
  t.equal(aadstsOf(await ask('api://orders/.default', 'organizations')), 50059)
})

t.test('on-behalf-of: which tokens it refuses', async (t) => {
  const { browser, entra } = await startWorld(t)
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'] })
  const gateway = '22222222-2222-4222-8222-222222222222'
  const exchange = (assertion: string, extra = {}) => postToken(browser, {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', requested_token_use: 'on_behalf_of', scope: 'openid offline_access api://orders/.default', assertion, ...extra
  })
  const user = { user: 'alice@contoso.example', client: 'Command-line client' }
  const good = await entra.admin.token({ ...user, scope: `${gateway}/access_as_user` })
  const answer = await exchange(good, { client_info: '1' })
  t.match(answer.json, { scope: 'api://orders/Orders.Read api://orders/.default', id_token: String, refresh_token: String, client_info: String })
  t.equal(aadstsOf(await exchange(await entra.admin.token({ ...user, scope: 'api://orders/Orders.Read' }))), 500131)
  t.equal(aadstsOf(await exchange(await entra.admin.forge({ claims: { aud: gateway, scp: 'access_as_user' }, key: 'unknown' }))), 50013)
  t.equal(aadstsOf(await exchange(await entra.admin.forge({ claims: { aud: gateway } }))), 50013, 'an ID token')
  t.equal(aadstsOf(await exchange('no jwt')), 50013)
  t.equal(aadstsOf(await exchange(good, { requested_token_use: '' })), 900144)
  entra.admin.setPolicy('MFA for Orders', true)
  const blocked = await exchange(good)
  t.match(JSON.parse(String(blocked.json.claims)), { access_token: { capolids: { essential: true } } }, 'claims to hand to the caller')
  entra.admin.clock.advance(6000)
  t.equal(aadstsOf(await exchange(good)), 500133)
})

t.test('public clients and single-page apps', async (t) => {
  const spa = '77777777-7777-4777-8777-777777777777'
  const config = configWith({
    apps: {
      'Page app': { clientId: spa, redirectUris: { spa: ['http://localhost/spa'], web: ['http://localhost/web'] }, secrets: [{ value: 's' }] },
      'Command-line client': { secrets: [{ value: 's' }] }
    }
  })
  const { browser, entra } = await startWorld(t, { config })
  const scope = 'openid offline_access'
  const redeemFor = async (client: string, redirectUri: string, credential: Record<string, string>) => {
    entra.admin.grant({ client, resource: 'https://graph.microsoft.com', scopes: ['openid'] })
    const { code } = entra.admin.login({ user: 'alice@contoso.example', client, redirectUri, scope })
    const { clientId } = entra.config.tenants[0]!.apps!.find(({ name }) => name === client)!
    return await postToken(browser, { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: clientId, ...credential })
  }
  const none = { no_credential: '1' }
  t.equal((await redeemFor('Command-line client', 'http://localhost:9000/', none)).status, 200)
  t.equal(aadstsOf(await redeemFor('Command-line client', 'http://localhost:9000/', { client_secret: 's' })), 700025)
  t.equal(aadstsOf(await redeemFor('Page app', 'http://localhost/web', none)), 7000218)

  const first = await redeemFor('Page app', 'http://localhost/spa', none)
  const refresh = (token: unknown) => postToken(browser, { grant_type: 'refresh_token', refresh_token: String(token), client_id: spa, ...none })
  entra.admin.clock.advance(80_000)
  const second = await refresh(first.json.refresh_token)
  t.equal(second.status, 200)
  entra.admin.clock.advance(7000)
  t.equal(aadstsOf(await refresh(second.json.refresh_token)), 700084, 'a day after the sign-in, however often renewed')
})
