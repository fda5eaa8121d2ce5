/**
 * C4.14, G: an unsafe request that rides on a cookie comes from our own pages, or not at all. Same-site siblings are
 * strangers; without Sec-Fetch-Site the Origin decides; with neither it is refused.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [
    { path: '/off/*', upstream: 'app', csrf: 'off' },
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/optional/*', upstream: 'app', access: 'optional' },
    { path: '/*', upstream: 'app' }
  ]
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
const own = gateway.url
type Fields = ReadonlyArray<readonly [string, string]>

const foreign: Record<string, Fields> = {
  'Sec-Fetch-Site cross-site': [['Sec-Fetch-Site', 'cross-site']],
  'Sec-Fetch-Site same-site': [['Sec-Fetch-Site', 'same-site']],
  'Sec-Fetch-Site cross-site with our Origin': [['Sec-Fetch-Site', 'cross-site'], ['Origin', own]],
  'Sec-Fetch-Site in other letter case': [['Sec-Fetch-Site', 'Same-Origin']],
  'Sec-Fetch-Site of two values': [['Sec-Fetch-Site', 'same-origin, cross-site']],
  'Sec-Fetch-Site empty': [['Sec-Fetch-Site', ''], ['Origin', 'http://evil.example']],
  'Sec-Fetch-Site unknown': [['Sec-Fetch-Site', 'same-origin;x']],
  'a foreign Origin': [['Origin', 'http://evil.example']],
  'Origin null': [['Origin', 'null']],
  'an empty Origin': [['Origin', '']],
  'an Origin that begins like ours': [['Origin', `${own}.evil.example`]],
  'an Origin that ends like ours': [['Origin', 'http://evillocalhost']],
  'our Origin on another port': [['Origin', 'http://localhost:1']],
  'our Origin without port': [['Origin', 'http://localhost']],
  'our Origin on https': [['Origin', own.replace('http:', 'https:')]],
  'our Origin with a path': [['Origin', `${own}/`]],
  'our Origin in capitals': [['Origin', own.toUpperCase()]],
  'our Origin and another': [['Origin', `${own} http://evil.example`]],
  'the other loopback name': [['Origin', own.replace('localhost', '127.0.0.1')]],
  'neither field': [],
  'only a Referer of ours': [['Referer', `${own}/page`]],
  'X-Requested-With': [['X-Requested-With', 'XMLHttpRequest']],
  'a JSON body': [['Content-Type', 'application/json']]
}

for (const [name, fields] of Object.entries(foreign)) {
  t.test(`C4.14 an unsafe request with ${name} is refused`, async t => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'LOCK', 'UNLOCK', 'PROPPATCH']) {
      for (const target of ['/x', '/optional/x', '/not/listed?/off/']) {
        const before = app.seen.length
        const answer = await exchange(t, gateway.port, { method, target, cookie, fields, body: 'x' })
        t.equal(answer.status, 403, `${method} ${target}`)
        t.equal(answer.header('scopegate-error'), 'SG_ORIGIN_REFUSED')
        t.equal(app.seen.length, before)
      }
    }
  })
}

t.test('C4.14 an unsafe request from our own pages passes', async t => {
  const passing: readonly Fields[] = [[['Sec-Fetch-Site', 'same-origin']], [['Sec-Fetch-Site', 'none']], [['Origin', own]], [['Sec-Fetch-Site', 'same-origin'], ['Origin', own]]]
  for (const fields of passing) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      t.equal((await exchange(t, gateway.port, { method, target: '/x', cookie, fields, body: 'x' })).status, 200, `${method} ${JSON.stringify(fields)}`)
    }
  }
})

t.test('C4.14 a safe request passes from everywhere', async t => {
  for (const fields of Object.values(foreign)) {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      t.equal((await exchange(t, gateway.port, { method, target: '/x', cookie, fields })).status, 200, `${method} ${JSON.stringify(fields)}`)
    }
  }
})

t.test('a field that claims another method makes no difference', async t => {
  const before = app.seen.length
  const answer = await exchange(t, gateway.port, { method: 'POST', target: '/x', cookie, fields: [['X-HTTP-Method-Override', 'GET'], ['Sec-Fetch-Site', 'cross-site']] })
  t.equal(answer.status, 403)
  t.equal(app.seen.length, before)
})

t.test('a route with csrf off takes them, and a route without session does not care', async t => {
  for (const fields of Object.values(foreign)) {
    t.equal((await exchange(t, gateway.port, { method: 'POST', target: '/off/x', cookie, fields, body: 'x' })).status, 200)
    t.equal((await exchange(t, gateway.port, { method: 'POST', target: '/public/x', cookie, fields, body: 'x' })).status, 200)
    t.equal((await exchange(t, gateway.port, { method: 'POST', target: '/optional/x', fields, body: 'x' })).status, 200, 'nobody signed in, nothing to ride on')
  }
})

t.test('without session it is answered 401, never redirected, whatever it says', async t => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const answer = await exchange(t, gateway.port, { method, target: '/x', fields: [['Sec-Fetch-Site', 'same-origin'], ['Sec-Fetch-Mode', 'cors'], ['Sec-Fetch-Dest', 'empty']], body: 'x' })
    t.equal(answer.status, 401)
    t.equal(answer.header('location'), undefined)
    t.strictSame(answer.all('set-cookie'), [])
  }
})

t.test('C3.9 a form that is posted without session goes to the sign-in by GET, and is not kept', async t => {
  const answer = await exchange(t, gateway.port, { method: 'POST', target: '/x?secret=1', fields: [['Sec-Fetch-Site', 'same-origin'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document'], ['Referer', `${own}/form`]], body: 'secret=1' })
  t.ok([302, 303, 401].includes(answer.status))
  t.notMatch(answer.header('location') ?? '', /secret/)
})

t.test('signing out: another site can neither post nor do more than ask', async t => {
  for (const fields of [[['Sec-Fetch-Site', 'cross-site']], [['Sec-Fetch-Site', 'same-site']], [['Origin', 'http://evil.example']], [['Origin', 'null']], []] as const) {
    const post = await exchange(t, gateway.port, { method: 'POST', target: '/.auth/logout', cookie, fields })
    t.equal(post.status, 403, JSON.stringify(fields))
  }
  for (const fields of [[['Sec-Fetch-Site', 'cross-site']], [['Sec-Fetch-Site', 'same-site']], [['Referer', 'http://evil.example/']]] as const) {
    const get = await exchange(t, gateway.port, { target: '/.auth/logout', cookie, fields })
    t.equal(get.status, 200, JSON.stringify(fields))
    t.match(get.text(), /confirm-sign-out/)
    t.strictSame(get.all('set-cookie'), [])
  }
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie })).status, 200, 'the session is still there')
})

t.test('other methods on the sign-out do not sign out', async t => {
  for (const method of ['HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) await exchange(t, gateway.port, { method, target: '/.auth/logout', cookie, fields: [['Sec-Fetch-Site', 'cross-site']] })
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie })).status, 200)
})
