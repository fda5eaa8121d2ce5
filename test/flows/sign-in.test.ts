/** This file follows a user from the first request to the signed-out page. */
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

t.test('a page behind the gateway is reached by signing in, with the route\'s token', async t => {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    entra: { initialScopes: ['api://orders/Orders.Read'] }
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })

  const first = await browser.visit(`${url}/orders?page=2`)
  t.equal(first.status, 302)
  t.match(first.headers.location, /^\/\.auth\/login\?post_login_redirect_uri=%2Forders%3Fpage%3D2$/)
  t.equal(app.seen.length, 0, 'the upstream was not reached')

  const page = await browser.go(`${url}/orders?page=2`)
  t.equal(page.status, 200)
  t.equal(page.json().url, '/orders?page=2')
  t.match(page.json().headers.authorization, /^Bearer eyJ/)
})
