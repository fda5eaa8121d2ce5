/**
 * This file opens WebSockets in Chromium as a page does: signed in through the gateway, until a sign-out in another tab.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocketServer } from 'ws'
import { startEntra, startGateway } from '../support/gateway.ts'
import { openWindow, startChromium } from './support/chromium.ts'

const page = `<!doctype html><title>live</title><ol id=log></ol><script>
  const log = text => { const item = document.createElement('li'); item.textContent = text; document.getElementById('log').append(item) }
  const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live/echo')
  socket.onopen = () => { log('open ' + socket.extensions); socket.send('hello') }
  socket.onmessage = event => log('got ' + event.data)
  socket.onclose = event => log('closed ' + event.code + ' ' + event.wasClean)
</script>`

const server = createServer((_request, response) => { response.setHeader('content-type', 'text/html').end(page) })
const webSockets = new WebSocketServer({ server, perMessageDeflate: true })
webSockets.on('connection', (socket, { headers }) => {
  socket.on('message', message => { socket.send(`${String(message)} for ${String(headers['x-forwarded-email'] ?? headers['x-forwarded-preferred-username'])}`) })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
t.teardown(() => {
  server.closeAllConnections()
  server.close()
})

const entra = await startEntra(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
  routes: [{ path: '/live/*', upstream: 'app', websocket: true, identityHeaders: 'standard' }, { path: '/*', upstream: 'app' }]
})
const browser = await startChromium(t)

t.test('a page opens a WebSocket as its user, and is told when the session ends', async t => {
  const { page } = await openWindow(browser)
  await page.goto(gateway.url)
  await page.locator('[data-testid=account-tile][data-upn="alice@contoso.example"]').click()
  await page.getByTestId('consent-accept').click()
  await page.getByText('got hello for alice@contoso.example').waitFor()
  t.equal(await page.locator('#log li').first().textContent(), 'open ', 'without extensions')

  const other = await page.context().newPage()
  await other.goto(`${gateway.url}/.auth/logout`)
  await page.getByText('closed 1008 true').waitFor()
})

t.test('a page of another origin gets none, with the user\'s cookie or without', async t => {
  const foreign = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end(page.replace('location.origin', `'${gateway.url}'`))
  })
  foreign.listen(0, '127.0.0.1')
  await once(foreign, 'listening')
  t.teardown(() => { foreign.close() })
  const { page: tab } = await openWindow(browser)
  await tab.goto(gateway.url)
  await tab.locator('[data-testid=account-tile][data-upn="alice@contoso.example"]').click()
  // Whether the consent is asked for again does not matter here.
  await tab.getByTestId('consent-accept').or(tab.getByText('got hello')).first().waitFor()
  if (await tab.getByTestId('consent-accept').isVisible()) await tab.getByTestId('consent-accept').click()
  await tab.getByText('got hello').waitFor()
  // Another port of the same host: the same site, so that the cookie goes along.
  await tab.goto(`http://localhost:${(foreign.address() as AddressInfo).port}`)
  await tab.getByText('closed 1006').waitFor()
  t.match(gateway.logged(), /"status":403/)
})
