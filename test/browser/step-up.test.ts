/** This file steps up in Chromium: a page that wants more than a password, the provider's second factor, and back. */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { openWindow, startChromium } from './support/chromium.ts'

const app = await startUpstream(t, {
  answer (_request, response, { url }) {
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>app</title><h1>${url}</h1><a href="/admin/users?page=2">Users</a>
      <button onclick="fetch('/admin/users', { method: 'POST' }).then(async reply => {
        if (reply.status === 401) location.href = (await reply.json()).loginUrl
        else document.querySelector('h1').textContent = 'saved'
      })">Save</button>`)
  }
})
const entra = await startEntra(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/admin/*', upstream: 'app', requireAuthContext: 'c1' }, { path: '/*', upstream: 'app' }]
})
const browser = await startChromium(t)

async function signedIn () {
  const window = await openWindow(browser)
  const { page } = window
  await page.goto(`${gateway.url}/start`)
  await page.locator('[data-testid=account-tile][data-upn="carol@contoso.example"]').click()
  await page.getByTestId('password').fill('Password1!')
  await page.getByTestId('submit').click()
  const consent = page.getByTestId('consent-accept')
  await consent.or(page.getByText('/start')).first().waitFor()
  if (await consent.isVisible()) await consent.click()
  await page.getByText('/start').waitFor()
  return window
}

const reachedAdmin = (): number => app.seen.filter(({ url }) => url.startsWith('/admin')).length

t.test('a link to a page that wants the second factor leads through it, without a password, and to the page', async t => {
  const { page, screenshot } = await signedIn()
  await page.getByRole('link', { name: 'Users' }).click()
  await page.getByTestId('mfa-approve').waitFor()
  t.equal(reachedAdmin(), 0)
  await screenshot('step-up-1-second-factor')
  await page.getByTestId('mfa-approve').click()
  await page.getByText('/admin/users?page=2').waitFor()
  t.equal(page.url(), `${gateway.url}/admin/users?page=2`)
  await screenshot('step-up-2-the-page')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('saved').waitFor()
})

t.test('a script leads there by its link; who declines the factor is still signed in', async t => {
  const { page, screenshot } = await signedIn()
  const before = reachedAdmin()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByTestId('mfa-deny').click()
  await page.getByText('500121').waitFor()
  await screenshot('step-up-3-denied')
  await page.goto(`${gateway.url}/start`)
  t.equal(await page.textContent('h1'), '/start', 'without a sign-in')
  t.equal(reachedAdmin(), before)
})

t.test('an ID token without what was asked for ends on a page of the gateway', async t => {
  const { page, screenshot } = await signedIn()
  const before = reachedAdmin()
  entra.admin.fault({ endpoint: 'token', idToken: { claims: { acrs: null } } })
  await page.getByRole('link', { name: 'Users' }).click()
  await page.getByTestId('mfa-approve').click()
  await page.getByTestId('error-code').waitFor()
  t.equal((await page.getByTestId('error-code').textContent())?.trim(), 'SG_SIGN_IN_REFUSED')
  await screenshot('step-up-4-refused')
  t.equal(reachedAdmin(), before)
  await page.goto(`${gateway.url}/start`)
  t.equal(await page.textContent('h1'), '/start', 'still signed in')
})
