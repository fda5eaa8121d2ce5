/**
 * This file walks through a claims challenge in Chromium: an API wants another factor for one thing, the user gives it, and
 * is back where the thing was to be done.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { openWindow, startChromium } from './support/chromium.ts'
import { textOf } from './support/walk.ts'

const page = `<!doctype html><title>Transfers</title>
<p data-testid=state>ready</p><button data-testid=pay>Pay</button><a data-testid=statement href="/api/statement?acrs=c1">Statement</a>
<script>
  const state = document.querySelector('[data-testid=state]')
  document.querySelector('[data-testid=pay]').onclick = async () => {
    const answer = await fetch('/api/transfers?acrs=c1', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"amount":5}' })
    const body = await answer.json()
    if (answer.status === 401) location.href = body.loginUrl
    else state.textContent = 'paid with ' + body.acrs
  }
</script>`
const server = createServer((_request, response) => { response.setHeader('content-type', 'text/html').end(page) })
server.listen(0, '127.0.0.1')
await once(server, 'listening')
t.teardown(() => {
  server.closeAllConnections()
  server.close()
})

const entra = await startEntra(t)
const scopes = ['api://orders/Orders.Read']
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: {
    app: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    api: { url: `${entra.origin}/demo-api`, scopes, caFile: entra.caFile }
  },
  routes: [{ path: '/api/*', upstream: 'api' }, { path: '/*', upstream: 'app' }],
  entra: { initialScopes: scopes }
})
const browser = await startChromium(t)

async function signIn (upn: string) {
  const window = await openWindow(browser)
  await window.page.goto(`${gateway.url}/transfers`)
  await window.page.locator(`[data-testid=account-tile][data-upn="${upn}"]`).click()
  await window.page.getByTestId('consent-accept').click()
  await window.page.getByTestId('pay').waitFor()
  return window
}

t.test('a script that is told to sign in gets the factor asked for, the page back, and then what it wanted', async t => {
  const { page, screenshot } = await signIn('alice@contoso.example')
  await page.getByTestId('pay').click()
  await page.getByTestId('mfa-approve').waitFor()
  await screenshot('claims-challenge-mfa')
  await page.getByTestId('mfa-approve').click()
  await page.waitForURL(`${gateway.url}/transfers`)
  t.equal(await textOf(page, 'state'), 'ready', 'nothing was paid without another click')
  await page.getByTestId('pay').click()
  await page.getByText('paid with c1').waitFor()
  await page.getByTestId('pay').click()
  await page.getByText('paid with c1').waitFor()
})

t.test('a link to what needs it leads there by way of the factor', async t => {
  const { page } = await signIn('bob@contoso.example')
  await page.getByTestId('statement').click()
  await page.getByTestId('mfa-approve').click()
  await page.waitForURL(`${gateway.url}/api/statement?acrs=c1`)
  t.match(await page.textContent('body'), '"acrs":["c1"]')
})
