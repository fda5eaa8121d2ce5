/**
 * This file walks through the demo in Chromium: the gateway, the emulator and three apps as they really run.
 */
import t from 'tap'
import { openWindow, startChromium } from './support/chromium.ts'
import { startDemo } from './support/demo.ts'
import { askedScopes, pickAccount, readableByScript, signIn, textOf } from './support/walk.ts'

const ordersClientId = '44444444-4444-4444-8444-444444444444'
const graphId = '00000003-0000-0000-c000-000000000000'
/** What Chromium prints about the one answer that sends to the consent page. */
const expected401 = /^Failed to load resource: the server responded with a status of 401/

const demo = await startDemo(t)
const browser = await startChromium(t)

t.test('alice signs in, sees orders and profile, gives one more permission for her first order, and signs out', async t => {
  const { page, errors, screenshot } = await openWindow(browser)
  const readable: string[] = []

  await page.goto(demo.url)
  await page.getByTestId('account-tile').first().waitFor()
  await screenshot('1-picker')
  await pickAccount(page, demo.url, 'alice@contoso.example')

  const firstScopes = await askedScopes(page)
  t.ok(firstScopes.includes('Orders.Read'), 'consent to Orders.Read is asked for')
  t.ok(firstScopes.includes('User.Read'), 'and to User.Read, of another API, on the same page')
  t.notOk(firstScopes.includes('Orders.Write'), 'but not to what only some routes need')
  await screenshot('2-consent')
  await page.getByTestId('consent-accept').click()

  await page.getByTestId('order-row').first().waitFor()
  t.equal(await textOf(page, 'user-name'), 'alice@contoso.example', 'the legacy app knows her from a header')
  const ordersSeen = await textOf(page, 'orders-seen')
  t.match(ordersSeen, ordersClientId, 'the orders API got a token for itself')
  t.match(ordersSeen, 'Orders.Read')
  t.match(ordersSeen, 'Alice Andersson')
  readable.push(await readableByScript(page))
  await screenshot('3-orders')

  await page.getByRole('link', { name: 'Profile' }).click()
  await page.getByText('Served with a token').waitFor()
  t.equal(await textOf(page, 'profile-name'), 'Alice Andersson')
  t.equal(await textOf(page, 'profile-mail'), 'alice@contoso.example')
  const graphSeen = await textOf(page, 'profile-seen')
  t.match(graphSeen, 'https://graph.microsoft.com (', 'Graph got another token')
  t.match(graphSeen, 'User.Read')
  t.match(graphSeen, graphId)
  readable.push(await readableByScript(page))
  await screenshot('4-profile')

  await page.getByRole('link', { name: 'Orders' }).click()
  await page.getByTestId('item').fill('Stapler, red')
  await page.getByTestId('new-order').click()
  t.same(await askedScopes(page), ['Orders.Write'], 'the first order asks for Orders.Write and nothing else')
  await screenshot('5-extra-consent')
  await page.getByTestId('consent-accept').click()

  await page.getByTestId('order-row').first().waitFor()
  t.equal(page.url(), `${demo.url}/`, 'back on the same page')
  t.equal(await page.getByTestId('item').inputValue(), 'Stapler, red', 'with what was typed')
  t.match(await textOf(page, 'draft'), 'not sent yet')
  t.equal(await page.getByTestId('order-row').count(), 2, 'and nothing ordered yet')
  await page.getByTestId('new-order').click()
  await page.getByTestId('order-created').waitFor()
  t.match(await textOf(page, 'order-created'), 'Orders.Write', 'a token with the new scope went along')
  t.equal(await page.getByTestId('order-row').count(), 3)
  readable.push(await readableByScript(page))
  await screenshot('6-order-created')

  await page.getByTestId('cancel-order').last().click()
  await page.getByTestId('order-cancelled').waitFor()
  t.equal(await page.getByTestId('order-row').count(), 2, 'her role lets her cancel')

  t.notMatch(readable.join('\n'), /eyJ/, 'no token was ever within reach of a script')
  t.same(errors.filter(text => !expected401.test(text)), [], 'nothing went wrong in the console')
  t.equal(errors.length, 1, 'and one request was told to ask for consent')

  await page.getByTestId('sign-out').click()
  await page.waitForURL(`${demo.url}/.auth/logout/done`)
  t.match(await page.textContent('h1'), 'You are signed out')
  await screenshot('7-signed-out')
  await page.goto(demo.url)
  await page.getByTestId('account-tile').first().waitFor()
  t.not(new URL(page.url()).origin, demo.url, 'the page asks for a sign-in again')
})

t.test('bob, in a window of his own, sees his own name and may not cancel orders', async t => {
  const { page, screenshot } = await openWindow(browser)
  await signIn(page, demo.url, 'bob@contoso.example')
  t.equal(await textOf(page, 'user-name'), 'bob@contoso.example')
  t.match(await textOf(page, 'orders-seen'), 'Bob Brown')
  await page.getByTestId('cancel-order').first().click()
  await page.getByTestId('problem').waitFor()
  t.match(await textOf(page, 'problem'), 'SG_ACCESS_DENIED')
  t.equal(await page.getByTestId('order-row').count(), 2)
  await screenshot('8-bob-may-not-cancel')
})

t.test('whoever declines the consent gets a page of the gateway that says so', async t => {
  const { page, screenshot } = await openWindow(browser)
  await pickAccount(page, demo.url, 'admin@contoso.example')
  await page.getByTestId('consent-cancel').click()
  await page.getByTestId('error-code').waitFor()
  t.equal(new URL(page.url()).origin, demo.url)
  t.match(await textOf(page, 'error-code'), /^SG_(CONSENT_NEEDED|SIGN_IN_REFUSED)$/)
  t.match(await textOf(page, 'request-id'), /^[0-9a-f-]{36}$/)
  await screenshot('9-consent-declined')
})
