/** Conditional Access, authentication contexts and continuous access evaluation, seen from a client. */
import t from 'tap'
import { decodeJwt } from 'jose'
import type { PolicyConfig } from '../../emulator/config/shape.ts'
import { authorizeUrl, autologin, pageCode, testIdsOf } from './support/authorize.ts'
import { configWith } from './support/config.ts'
import { accountOf, CALLBACK, signIn } from './support/msal.ts'
import { aadstsOf, headlessCode, postToken, redeem, type TokenAnswer } from './support/token-request.ts'
import { startWorld, type TestWorld } from './support/world.ts'

const SCOPE = 'openid profile offline_access api://orders/Orders.Read'
const wanting = (context: string) => JSON.stringify({ access_token: { acrs: { essential: true, value: context } } })
const wantingInId = (context: string) => JSON.stringify({ id_token: { acrs: { essential: true, value: context } } })

async function signedIn ({ entra, browser }: TestWorld, options = {}): Promise<TokenAnswer> {
  return await redeem(browser, headlessCode(entra, { scope: SCOPE, ...options }), { scope: SCOPE })
}

const refresh = ({ browser }: TestWorld, { json }: TokenAnswer, extra = {}) =>
  postToken(browser, { grant_type: 'refresh_token', refresh_token: String(json.refresh_token), scope: SCOPE, ...extra })

t.test('MFA required later: a refresh fails with claims, an interactive sign-in with them succeeds', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  const scopes = ['api://orders/Orders.Read']
  const account = accountOf(await signIn(client, browser))
  entra.admin.setPolicy('MFA for Orders', true)
  const refused = client.acquireTokenSilent({ account, scopes, forceRefresh: true })
  const error = await refused.catch((reason: unknown) => reason as { claims: string, name: string })
  t.match(error, { name: 'InteractionRequiredAuthError', claims: /capolids.*88888888-8888-4888-8888-888888888882/ })
  const again = await signIn(client, browser, { claims: (error as { claims: string }).claims })
  t.equal(again.fromCache, false)
  await client.acquireTokenSilent({ account: accountOf(again), scopes, forceRefresh: true })
  t.strictSame(entra.admin.sessions()[0]?.accounts[0]?.amr, ['pwd', 'mfa'], 'the session has stepped up')
})

t.test('authentication contexts in access tokens', async (t) => {
  const world = await startWorld(t)
  const weak = await signedIn(world)
  t.notOk('acrs' in decodeJwt(String(weak.json.access_token)), 'c1 is bound and not satisfied')
  const refused = await refresh(world, weak, { claims: wanting('c1') })
  t.match([aadstsOf(refused), refused.json.suberror], [50076, 'basic_action'])
  t.match(JSON.parse(String(refused.json.claims)), { access_token: { acrs: { value: 'c1' }, capolids: { essential: true } } })
  const unbound = await refresh(world, weak, { claims: wanting('c2') })
  t.strictSame(decodeJwt(String(unbound.json.access_token)).acrs, ['c2'], 'no policy is bound to c2: granted')
  const strong = await signedIn(world, { mfa: true })
  t.strictSame(decodeJwt(String(strong.json.access_token)).acrs, ['c1'], 'the API opted in: what is satisfied now')
  t.strictSame(decodeJwt(String((await refresh(world, strong, { claims: wanting('c1') })).json.access_token)).acrs, ['c1'])
})

t.test('authentication contexts in ID tokens: a page interactively, an error silently', async (t) => {
  const { browser, entra } = await startWorld(t)
  await autologin(browser)
  const page = await browser.get(authorizeUrl({ claims: wantingInId('c1') }))
  t.strictSame(testIdsOf(page), ['mfa-approve', 'mfa-deny', 'mfa-code'])
  const { location } = await browser.click(page, 'mfa-approve')
  const code = new URL(location).searchParams.get('code')!
  const { json } = await redeem(browser, code, { redirect_uri: CALLBACK })
  t.strictSame(decodeJwt(String(json.id_token)).acrs, ['c1'])
  entra.admin.setPolicy('MFA for c1', false)
  t.ok((await autologin(browser, { prompt: 'none', claims: wantingInId('c1') })).code, 'a policy that is off binds nothing')
})

const custom: PolicyConfig[] = [
  { name: 'block', apps: ['api://reports'], grant: 'block' },
  { name: 'device', apps: ['api://orders'], users: ['bob@contoso.example'], grant: 'compliantDevice' },
  { name: 'password', apps: ['api://orders'], users: ['carol@contoso.example'], grant: 'passwordChange' },
  { name: 'frequency', apps: ['api://orders'], users: ['alice@contoso.example'], signInFrequency: 3600 },
  { name: 'fresh mfa', apps: ['api://orders'], users: ['admin@contoso.example'], grant: 'mfa', signInFrequency: 3600 },
  { name: 'mfa', apps: ['api://orders'], users: ['groups@contoso.example'], grant: 'mfa' }
]

t.test('block, device, password change, sign-in frequency: at the token endpoint and on the page', async (t) => {
  const config = configWith({ tenant: { policies: custom }, users: { 'groups@contoso.example': { mfa: null } } })
  const world = await startWorld(t, { config })
  const { entra, browser } = world
  const code = async (user: string, options = {}) => aadstsOf(await signedIn(world, { user, ...options }))
  t.equal(await code('bob@contoso.example'), 53000)
  t.equal(await code('carol@contoso.example'), 50055)
  t.equal(await code('groups@contoso.example'), 50079, 'nothing enrolled yet')

  const alice = await signedIn(world)
  const admin = await signedIn(world, { user: 'admin@contoso.example', mfa: true })
  entra.admin.grant({ client: 'Gateway', resource: 'api://reports', scopes: ['Reports.Read'] })
  t.match((await refresh(world, alice, { scope: 'api://reports/Reports.Read' })).json, { error_codes: [53003], suberror: 'message_only', claims: /capolids/ })
  entra.admin.clock.advance(3601)
  t.match((await refresh(world, alice)).json, { error_codes: [70043], suberror: 'token_expired' })
  t.match((await refresh(world, admin)).json, { error_codes: [50078], suberror: 'basic_action' })

  const pick = async (upn: string, scope = SCOPE) =>
    await browser.click(await browser.get(authorizeUrl({ scope, prompt: 'select_account' })), `account-tile@${upn}`)
  t.equal(pageCode(await pick('bob@contoso.example')), 53000)
  t.equal(pageCode(await pick('alice@contoso.example', 'openid api://reports/Reports.Read')), 53003)
  entra.admin.updateUser('bob@contoso.example', { compliantDevice: true })
  t.equal((await pick('bob@contoso.example')).status, 302)
  entra.admin.updateUser('carol@contoso.example', { resetPassword: 'New1!' })
  t.equal(await code('carol@contoso.example'), undefined)
})

t.test('a sign-in that is too old is asked for again on the page', async (t) => {
  const { entra, browser } = await startWorld(t, { config: configWith({ tenant: { policies: custom } }) })
  await autologin(browser)
  t.equal((await browser.get(authorizeUrl())).status, 302)
  entra.admin.clock.advance(3601)
  const form = await browser.get(authorizeUrl())
  t.strictSame(testIdsOf(form), ['username', 'submit', 'back', 'cancel'])
  t.match(form.body, 'value="alice@contoso.example"')
  t.equal((await browser.click(form, 'submit', { username: 'alice@contoso.example' })).status, 302)
})

t.test('continuous access evaluation: challenge, new token, and the end of a revoked user', async (t) => {
  const world = await startWorld(t)
  const { entra, browser } = world
  const first = await signedIn(world)
  const call = (token: unknown, query = '') => browser.get(`/demo-api/orders/7${query}`, { authorization: `Bearer ${String(token)}` })
  const accepted = await call(first.json.access_token)
  t.match(JSON.parse(accepted.body), { path: '/demo-api/orders/7', scp: 'Orders.Read' })

  entra.admin.challenge({ user: 'alice@contoso.example', api: 'api://orders' })
  entra.admin.clock.advance(1)
  const challenged = await call(first.json.access_token)
  t.equal(challenged.status, 401)
  const header = challenged.headers.get('www-authenticate') ?? ''
  t.match(header, /^Bearer realm="", authorization_uri=".*", error="insufficient_claims", claims="[A-Za-z0-9+/]+=*"$/)
  const claims = Buffer.from(/claims="([^"]*)"/.exec(header)![1]!, 'base64').toString()
  t.match(JSON.parse(claims), { access_token: { nbf: { essential: true, value: /^\d+$/ } } })
  const renewed = await refresh(world, first, { claims })
  t.equal((await call(renewed.json.access_token)).status, 200, 'a token issued afterwards passes')

  const stepUp = await call(renewed.json.access_token, '?acrs=c1')
  t.match(Buffer.from(/claims="([^"]*)"/.exec(stepUp.headers.get('www-authenticate')!)![1]!, 'base64').toString(), '"acrs"')
  t.equal((await call(renewed.json.access_token, '?scope=Orders.Write')).status, 403)
  t.equal((await call(renewed.json.access_token, '?audience=api://reports')).status, 401)

  entra.admin.updateUser('alice@contoso.example', { revoke: true })
  t.equal((await call(renewed.json.access_token)).status, 401)
  t.equal(aadstsOf(await refresh(world, first, { claims })), 50173)
  t.equal((await call('garbage')).status, 401)
})
