/** The pages of a sign-in, walked through as a browser without script does. */
import t from 'tap'
import { authorizeUrl, pageCode, replyOf, testIdsOf } from './support/authorize.ts'
import { configWith } from './support/config.ts'
import { startWorld } from './support/world.ts'

t.test('picker, consent, app: the walk of a user without a password', async (t) => {
  const { browser, entra } = await startWorld(t)
  const picker = await browser.get(authorizeUrl())
  t.equal(picker.status, 200)
  t.match(picker.body, 'LOCAL EMULATOR - not Microsoft')
  t.strictSame(testIdsOf(picker), ['account-tile', 'use-another-account', 'cancel'])
  t.match(picker.body, 'data-upn="carol@contoso.example"')
  const consent = await browser.click(picker, 'account-tile@alice@contoso.example')
  t.strictSame(testIdsOf(consent), ['consent-scope', 'consent-accept', 'consent-cancel'])
  const asked = [...consent.body.matchAll(/data-scope="([^"]*)"/g)].map(([, scope]) => scope)
  t.strictSame(asked, ['openid', 'profile', 'offline_access', 'Orders.Read'], 'basic profile and offline access come with the first consent')
  const done = await browser.click(consent, 'consent-accept')
  t.equal(done.status, 302)
  const reply = replyOf(done)
  t.equal(reply.state, 'the state & more', 'state comes back exactly')
  t.equal(reply.code?.length, 600)
  t.match(reply.session_state, /^[0-9a-f-]{36}$/)
  t.notOk('client_info' in reply || 'iss' in reply)
  t.equal(entra.admin.sessions().length, 1)
})

t.test('a second sign-in shows no page, and more consent only for what is new', async (t) => {
  const { browser } = await startWorld(t)
  const first = await browser.click(await browser.get(authorizeUrl()), 'account-tile@alice@contoso.example')
  await browser.click(first, 'consent-accept')
  t.equal((await browser.get(authorizeUrl())).status, 302, 'the one session is used')
  const more = await browser.get(authorizeUrl({ scope: 'openid api://orders/Orders.Read api://orders/Orders.Write api://reports/Reports.Read' }))
  t.strictSame([...more.body.matchAll(/data-scope="([^"]*)"/g)].map(([, scope]) => scope), ['Orders.Write', 'Reports.Read'])
  const all = await browser.get(authorizeUrl({ prompt: 'consent' }))
  t.match(all.body, 'data-scope="Orders.Read"', 'prompt=consent asks again for everything')
  const picker = await browser.get(authorizeUrl({ prompt: 'select_account' }))
  t.match(picker.body, /data-upn="alice@contoso.example" data-signed-in="true"/)
  t.match(picker.body, /data-upn="bob@contoso.example" data-signed-in="false"/)
})

t.test('declining and cancelling', async (t) => {
  const { browser } = await startWorld(t)
  const picker = await browser.get(authorizeUrl())
  t.match(replyOf(await browser.click(picker, 'cancel')), { error: 'access_denied', error_subcode: 'cancel', error_description: undefined, state: 'the state & more' })
  const consent = await browser.click(await browser.get(authorizeUrl()), 'account-tile@alice@contoso.example')
  const declined = replyOf(await browser.click(consent, 'consent-cancel'))
  t.match(declined, { error: 'access_denied', error_description: /^AADSTS65004: /, error_subcode: undefined })
})

t.test('e-mail and password, with errors on the page', async (t) => {
  const { browser } = await startWorld(t)
  const picker = await browser.get(authorizeUrl())
  const form = await browser.click(picker, 'use-another-account')
  t.strictSame(testIdsOf(form), ['username', 'submit', 'back', 'cancel'])
  const unknown = await browser.click(form, 'submit', { username: 'nobody@contoso.example' })
  t.equal(pageCode(unknown), 50034)
  t.match(unknown.body, 'data-testid="signin-error"')
  t.match(unknown.body, 'value="nobody@contoso.example"', 'what was typed stays')
  const disabled = await browser.click(unknown, 'submit', { username: 'disabled@contoso.example' })
  t.equal(pageCode(disabled), 50057)
  const password = await browser.click(disabled, 'submit', { username: ' Carol@Contoso.Example ' })
  t.strictSame(testIdsOf(password), ['password', 'submit', 'back', 'cancel'])
  const wrong = await browser.click(password, 'submit', { password: 'wrong' })
  t.equal(pageCode(wrong), 50126)
  const back = await browser.click(wrong, 'back')
  t.match(back.body, 'data-testid="account-tile"')
  const again = await browser.click(back, 'account-tile@carol@contoso.example')
  t.strictSame(testIdsOf(again), ['password', 'submit', 'back', 'cancel'])
  const consent = await browser.click(again, 'submit', { password: 'Password1!' })
  t.strictSame(testIdsOf(consent), ['consent-scope', 'consent-accept', 'consent-cancel'])
})

t.test('locked, expired, and a user of another tenant', async (t) => {
  const { browser, entra } = await startWorld(t)
  const pick = async () => await browser.click(await browser.get(authorizeUrl()), 'account-tile@alice@contoso.example')
  entra.admin.updateUser('alice@contoso.example', { state: 'locked' })
  t.equal(pageCode(await pick()), 50053)
  entra.admin.updateUser('alice@contoso.example', { state: 'passwordExpired' })
  t.equal(pageCode(await pick()), 50055)
  const form = await browser.get(authorizeUrl({ login_hint: 'bob@contoso.example' }))
  t.match(form.body, 'value="bob@contoso.example"', 'login_hint fills the e-mail in')
  const foreign = await browser.click(form, 'submit', { username: 'fred@fabrikam.example' })
  t.equal(pageCode(foreign), 50020)
  t.match(foreign.body, 'data-testid="error-page"')
})

t.test('MFA: deny, wrong code, code, approve', async (t) => {
  const { browser, entra } = await startWorld(t)
  entra.admin.setPolicy('MFA for Orders', true)
  const mfa = await browser.click(await browser.get(authorizeUrl()), 'account-tile@alice@contoso.example')
  t.strictSame(testIdsOf(mfa), ['mfa-approve', 'mfa-deny', 'mfa-code'])
  t.equal(pageCode(await browser.click(mfa, 'mfa-deny')), 500121)
  t.equal(pageCode(await browser.click(mfa, 'mfa-code', { code: '654321' })), 500121)
  t.match(testIdsOf(await browser.click(mfa, 'mfa-code', { code: '123456' })), ['consent-scope'])
  t.strictSame(entra.admin.sessions()[0]?.accounts[0]?.amr, ['pwd', 'mfa'])
  const other = await browser.click(await browser.get(authorizeUrl({ prompt: 'select_account' })), 'account-tile@bob@contoso.example')
  t.match(testIdsOf(await browser.click(other, 'mfa-approve')), ['consent-scope'])
})

t.test('admin approval: only an admin may consent to this', async (t) => {
  const { browser } = await startWorld(t)
  const url = authorizeUrl({ scope: 'openid api://orders/Orders.Admin' })
  const wall = await browser.click(await browser.get(url), 'account-tile@alice@contoso.example')
  t.equal(pageCode(wall), 90094)
  t.strictSame(testIdsOf(wall), ['error-page', 'admin-signin', 'admin-return'])
  t.match(replyOf(await browser.click(wall, 'admin-return')), { error: 'access_denied', error_subcode: 'cancel' })

  const second = await browser.get(url)
  const form = await browser.click(second, 'admin-signin')
  const consent = await browser.click(form, 'submit', { username: 'admin@contoso.example' })
  t.match(testIdsOf(consent), ['consent-scope', 'consent-admin', 'consent-accept', 'consent-cancel'])
  t.ok(replyOf(await browser.click(consent, 'consent-accept', { forAll: 'yes' })).code)
  const after = await browser.click(await browser.get(authorizeUrl({ scope: 'openid api://orders/Orders.Admin', prompt: 'select_account' })), 'account-tile@bob@contoso.example')
  t.equal(after.status, 302, 'consent for the organisation covers everybody')
})

t.test('tenant settings and assignment decide who may consent', async (t) => {
  const config = configWith({ tenant: { settings: { userConsent: 'none', adminConsentWorkflow: true } } })
  const { browser } = await startWorld(t, { config })
  t.equal(pageCode(await browser.click(await browser.get(authorizeUrl()), 'account-tile@alice@contoso.example')), 90095)
})

t.test('a user who is not assigned stays on a page', async (t) => {
  const { browser } = await startWorld(t, { config: configWith({ apps: { Gateway: { assignmentRequired: true } } }) })
  const refused = await browser.click(await browser.get(authorizeUrl()), 'account-tile@bob@contoso.example')
  t.equal(pageCode(refused), 50105)
  t.equal(refused.status, 400)
})

t.test('stay signed in, where the emulator is told to ask', async (t) => {
  const { loadDefaultConfig } = await import('../../emulator/config/load.ts')
  const { browser, entra } = await startWorld(t, { config: { ...loadDefaultConfig(), quirks: { staySignedIn: true } } })
  const kmsi = await browser.click(await browser.get(authorizeUrl()), 'account-tile@alice@contoso.example')
  t.strictSame(testIdsOf(kmsi), ['kmsi-yes', 'kmsi-no'])
  const consent = await browser.click(kmsi, 'kmsi-yes')
  t.match(testIdsOf(consent), ['consent-scope'])
  t.ok(browser.cookies.has('ESTSAUTHPERSISTENT'))
  await browser.click(consent, 'consent-accept')
  entra.admin.clock.advance(80 * 86_400)
  t.equal((await browser.get(authorizeUrl())).status, 302, 'still signed in after 80 days')
  entra.admin.clock.advance(11 * 86_400)
  t.equal((await browser.get(authorizeUrl())).status, 200, 'but not after 91')
})

t.test('admin consent for an app as a whole', async (t) => {
  const { browser, entra } = await startWorld(t)
  const parameters = { client_id: '22222222-2222-4222-8222-222222222222', scope: 'api://orders/.default', redirect_uri: 'http://localhost:8080/.auth/callback', state: 's1' }
  const url = `/contoso.example/v2.0/adminconsent?${new URLSearchParams(parameters).toString()}`
  const consent = await browser.click(await browser.get(url), 'account-tile@admin@contoso.example')
  t.match(testIdsOf(consent), ['consent-scope', 'consent-accept', 'consent-cancel'])
  const done = replyOf(await browser.click(consent, 'consent-accept'))
  t.strictSame(done, { admin_consent: 'True', tenant: '11111111-1111-4111-8111-111111111111', scope: 'api://orders/.default', state: 's1' })
  t.match(JSON.stringify(entra.admin.state()), '"principal":"all"')
  const wall = await browser.click(await browser.get(`${url}&prompt=select_account`), 'account-tile@bob@contoso.example')
  t.equal(pageCode(wall), 90094)
})

t.test('flows end after 15 minutes', async (t) => {
  const { browser, entra } = await startWorld(t)
  const picker = await browser.get(authorizeUrl())
  entra.admin.clock.advance(901)
  const late = await browser.click(picker, 'account-tile@alice@contoso.example')
  t.equal(pageCode(late), 90100)
})

t.test('autologin by cookie skips every page', async (t) => {
  const { browser, entra } = await startWorld(t)
  entra.admin.setPolicy('MFA for Orders', true)
  browser.cookies.set('autologin', encodeURIComponent('carol@contoso.example'))
  t.match(testIdsOf(await browser.get(authorizeUrl())), ['consent-scope'], 'consent is not given by itself')
  browser.cookies.set('autoconsent', '1')
  t.ok(replyOf(await browser.get(authorizeUrl())).code)
})

t.test('pre-authorised clients are not asked, known clients are asked for both at once', async (t) => {
  const gateway = '22222222-2222-4222-8222-222222222222'
  const config = configWith({
    tenant: { grants: [{ client: 'Gateway', resource: 'https://graph.microsoft.com', scopes: ['openid'] }] },
    apps: {
      'Reports API': { preAuthorized: [gateway] },
      'Orders API': { knownClientApplications: [gateway], requiredResourceAccess: [{ resource: 'https://graph.microsoft.com', scopes: ['User.Read'] }] }
    }
  })
  const { browser } = await startWorld(t, { config })
  const url = authorizeUrl({ scope: 'openid api://reports/Reports.Read' })
  t.equal((await browser.click(await browser.get(url), 'account-tile@alice@contoso.example')).status, 302)
  const page = await browser.get(authorizeUrl())
  t.strictSame([...page.body.matchAll(/data-scope="([^"]*)"/g)].map(([, scope]) => scope), ['Orders.Read', 'User.Read'])
})
