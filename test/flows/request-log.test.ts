/** This file checks that the line of a request tells whose it was, without saying who, and where its token came from. */
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

t.test('lines of a user have one name, that of nobody else, and the source of each token', async t => {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/orders/*', upstream: 'app', scopes: ['api://orders/Orders.Read'] },
      { path: '/reports/*', upstream: 'app', scopes: ['api://reports/Reports.Read'] },
      { path: '/public/*', upstream: 'app', access: 'public' },
      { path: '/*', upstream: 'app' }
    ],
    entra: { initialScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read'] }
  })
  const { url, logged } = gateway
  const { browser } = await signIn(t, { url, entra })
  for (const path of ['/orders/1', '/orders/2', '/reports/1', '/plain', '/public/x']) await browser.fetch(url + path)
  const other = await signIn(t, { url, entra, user: 'bob@contoso.example' })
  await other.browser.fetch(`${url}/orders/3`)
  const lines = (): any[] => logged().split('\n').filter(line => line !== '').map(line => JSON.parse(line))
  t.ok(await eventually(() => lines().some(({ path }) => path === '/orders/3'), 5000))

  const of = (wanted: string): any => lines().find(({ path }) => path === wanted)
  const { user } = of('/orders/1')
  t.match(user, /^[\w-]{16}$/)
  t.same(['/orders/1', '/orders/2', '/reports/1', '/plain', '/public/x', '/.auth/callback'].map(path => [path, of(path).user, of(path).token]), [
    ['/orders/1', user, 'cache'], ['/orders/2', user, 'ready'], ['/reports/1', user, 'refresh'], ['/plain', user, undefined],
    ['/public/x', undefined, undefined], ['/.auth/callback', undefined, 'interactive']
  ])
  t.same(lines().filter(({ event }) => event === 'signed-in').map(line => line.user), [user, of('/orders/3').user])
  t.not(of('/orders/3').user, user)
  t.notMatch(logged(), /alice|bob|33333333-3333/)
})

t.test('from what a page or a problem document says, a stranger gets to the lines of the request and their cause', async t => {
  const { url, logged } = await startGateway(t, {
    upstreams: { gone: { url: 'http://127.0.0.1:1' } },
    routes: [{ path: '/*', upstream: 'gone', access: 'public' }]
  })
  const browser = createBrowser(t)
  const page = await browser.visit(`${url}/page`)
  const { code, requestId } = (await browser.fetch(`${url}/data`)).json()
  const said = (name: string): string => new RegExp(`data-testid="${name}">([^<]+)<`).exec(page.body)?.[1] ?? ''
  for (const [path, wanted, id] of [['/page', said('error-code'), said('request-id')], ['/data', code, requestId]]) {
    t.equal(wanted, 'SG_UPSTREAM_UNREACHABLE')
    const lines = (): any[] => logged().split('\n').filter(line => id !== '' && line.includes(`"requestId":"${id}"`)).map(line => JSON.parse(line))
    t.ok(await eventually(() => lines().some(line => line.path === path && line.status === 502), 10_000), 'whose it was')
    t.match(lines().find(line => line.code === wanted), { level: 'warn', cause: /ECONNREFUSED/ }, 'and why')
  }
})
