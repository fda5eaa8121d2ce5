/**
 * This file walks through consent in Chromium: one that is declined, and one that only an administrator may give.
 */
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Emulator } from '../../emulator/start.ts'
import { configWith } from '../emulator/support/config.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { openWindow, startChromium, type Window } from './support/chromium.ts'
import { askedScopes, pickAccount, textOf } from './support/walk.ts'

const chromium = await startChromium(t)
const entra = await startEntra(t)
const url = await gatewayAt(entra)

async function gatewayAt (emulator: Emulator): Promise<string> {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator,
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/reports/*', upstream: 'app', scopes: ['api://reports/Reports.Read'] },
      { path: '/admin/*', upstream: 'app', scopes: ['api://orders/Orders.Admin'] },
      { path: '/*', upstream: 'app' }
    ]
  })
  return gateway.url
}

async function newWindow (t: Test): Promise<Window> {
  const window = await openWindow(chromium)
  t.teardown(async () => { await window.page.context().close() })
  return window
}

/** A window in which bob is signed in, with consent to that and to nothing else. */
async function signedIn (t: Test): Promise<Window> {
  entra.admin.reset()
  const window = await newWindow(t)
  await pickAccount(window.page, `${url}/start`, 'bob@contoso.example')
  await window.page.getByTestId('consent-accept').click()
  await window.page.waitForURL(`${url}/start`)
  return window
}

/** An administrator opens the address in a browser of their own, and gives what is asked for. */
async function consentAsAdmin (t: Test, address: string): Promise<Window> {
  const window = await newWindow(t)
  await pickAccount(window.page, address, 'admin@contoso.example')
  await window.page.getByTestId('consent-accept').click()
  await window.page.getByTestId('home').waitFor()
  return window
}

/** What a script or an upstream would see on the page of the application, which shows it. */
async function seenByApp (page: Page): Promise<{ url: string, headers: Record<string, string> }> {
  return JSON.parse(await page.innerText('body'))
}

t.test('who declines an extra permission stays signed in, and is asked again when they want to', async t => {
  const { page, screenshot } = await signedIn(t)
  await page.goto(`${url}/reports/2026`)
  t.same(await askedScopes(page), ['Reports.Read'])
  await page.getByTestId('consent-cancel').click()
  await page.getByTestId('error-code').waitFor()
  t.equal(await textOf(page, 'error-code'), 'SG_CONSENT_NEEDED')
  await screenshot('consent-declined')

  await page.getByTestId('home').click()
  await page.waitForURL(`${url}/`)
  t.equal((await seenByApp(page)).url, '/', 'still signed in')
  await page.goto(`${url}/reports/2026`)
  await page.getByTestId('consent-cancel').click()
  await page.getByTestId('sign-in').click()
  t.same(await askedScopes(page), ['Reports.Read'])
  await page.getByTestId('consent-accept').click()
  await page.waitForURL(`${url}/reports/2026`)
  t.match((await seenByApp(page)).headers.authorization, /^Bearer /)
})

t.test('who declines can sign out from there', async t => {
  const { page } = await signedIn(t)
  await page.goto(`${url}/reports/2026`)
  await page.getByTestId('consent-cancel').click()
  await page.getByTestId('sign-out').click()
  await page.getByTestId('sign-in-again').waitFor()
  t.equal(new URL(page.url()).pathname, '/.auth/logout/done')
})

t.test('what only an administrator may give is given by one through the address on the page', async t => {
  const { page, screenshot } = await signedIn(t)
  await page.goto(`${url}/admin/orders`)
  await page.getByTestId('admin-return').click()
  await page.getByTestId('error-code').waitFor()
  t.equal(await textOf(page, 'error-code'), 'SG_CONSENT_NEEDED')
  const address = await textOf(page, 'admin-consent-url')
  t.equal(await page.getByTestId('admin-consent').getAttribute('href'), address)
  await screenshot('admin-consent-needed')

  const admin = await consentAsAdmin(t, address)
  t.equal(await admin.page.innerText('h1'), 'Thank you')
  await admin.screenshot('admin-consent-given')
  const cookies = await admin.page.context().cookies(url)
  t.same(cookies.filter(({ name }) => name.startsWith('scopegate')), [], 'nobody is signed in by that')

  await page.getByTestId('sign-in').click()
  await page.waitForURL(`${url}/admin/orders`)
  t.match((await seenByApp(page)).headers.authorization, /^Bearer /)
})

t.test('where nobody but administrators may consent, a first sign-in ends on a page with their address', async t => {
  const strict = await startEntra(t, { config: configWith({ tenant: { settings: { userConsent: 'none' } } }) })
  const strictUrl = await gatewayAt(strict)
  const { page, screenshot } = await newWindow(t)
  await pickAccount(page, `${strictUrl}/start`, 'bob@contoso.example')
  await page.getByTestId('admin-return').click()
  t.equal(await textOf(page, 'error-code'), 'SG_SIGN_IN_REFUSED')
  t.equal(await page.getByTestId('sign-out').count(), 0)
  await screenshot('first-consent-needed')
  await consentAsAdmin(t, await textOf(page, 'admin-consent-url'))
  await page.getByTestId('sign-in').click()
  await page.waitForURL(`${strictUrl}/start`)
})
