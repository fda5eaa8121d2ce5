/**
 * This file checks that a route's rule holds for every escaped spelling of its path, and that hosts keep their own rules.
 */
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

t.test('escaped characters of a literal path do not escape its rule', async t => {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin }, based: { url: `${app.origin}/tenant` } },
    routes: [
      { path: '/@admin/*', upstream: 'app' },
      { path: '/odata/$batch', upstream: 'app', allow: { roles: ['Nobody'] } },
      { path: '/a!b&c\'d+e,f=g:h/*', upstream: 'app' },
      { path: '/q!q/*', upstream: 'based', rewrite: '/r' },
      { path: '/*', upstream: 'app', access: 'public' }
    ]
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  const protectedPaths = [
    '/@admin/x', '/%40admin/x', '/%40%61dmin/x', '/odata/$batch', '/odata/%24batch',
    '/a%21b%26c%27d%2Bd/x'.replace('d/x', 'e%2Cf%3Dg%3Ah/x'), '/q!q/x', '/q%21q/x'
  ]
  for (const path of protectedPaths) t.ok([400, 401].includes((await browser.fetch(url + path)).status), path)
  t.equal(app.seen.length, 0)
  t.equal((await browser.fetch(`${url}/%40other`)).json().url, '/%40other', 'the upstream gets what was sent')

  await browser.go(`${url}/.auth/login`)
  t.equal((await browser.fetch(`${url}/%40admin/x`)).json().url, '/%40admin/x')
  t.equal((await browser.fetch(`${url}/odata/%24batch`)).status, 403)
  t.equal((await browser.fetch(`${url}/q!q/x`)).json().url, '/tenant/r/x')
  t.equal((await browser.fetch(`${url}/q%21q/x`)).status, 400, 'a prefix that is to be replaced has to be there literally')
})

t.test('another host\'s routes do not loosen the letter-case rule of this one', async t => {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/admin/*', hosts: ['a.localhost'], upstream: 'app', allow: { roles: ['Admin'] } },
      { path: '/*', hosts: ['a.localhost'], upstream: 'app', access: 'public' },
      { path: '/Admin/*', hosts: ['b.localhost'], upstream: 'app', access: 'public' }
    ]
  })
  const browser = createBrowser(t)
  const statusOf = async (host: string, path: string) => (await browser.fetch(gateway.url + path, { headers: { host } })).status
  t.equal(await statusOf('a.localhost', '/open'), 200)
  for (const path of ['/admin/x', '/Admin/x', '/ADMIN/x']) t.equal(await statusOf('a.localhost', path), 401, path)
  t.equal(await statusOf('b.localhost', '/Admin/x'), 200)
})
