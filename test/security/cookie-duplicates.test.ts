/**
 * X20, C4.3: of two cookies of one name a parser takes the first; one of them was planted by a sibling domain. Two are none.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, { emulator: entra, upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app', identityHeaders: 'standard' }] })
const alice = (await signIn(t, { url: gateway.url, entra })).cookie
const bob = (await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example' })).cookie

const several = [`${alice}; ${bob}`, `${bob}; ${alice}`, `${alice}; ${alice}`, `${alice}; scopegate=`, `scopegate=; ${alice}`, `scopegate=x; ${alice}`, `${alice};scopegate=x`, `${alice};  scopegate=x`, `a=1; ${alice}; b=2; ${bob}; c=3`]

t.test('one session cookie is a session', async t => {
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: alice })).status, 200)
  t.equal((await exchange(t, gateway.port, { target: '/.auth/me', cookie: bob })).json()[0].user_id, 'bob@contoso.example')
})

t.test('X20, C4.3 two session cookies are none, everywhere', async t => {
  for (const cookie of several) {
    const before = app.seen.length
    t.equal((await exchange(t, gateway.port, { target: '/x', cookie })).status, 401, cookie.slice(0, 20))
    t.equal(app.seen.length, before)
    t.equal((await exchange(t, gateway.port, { target: '/.auth/me', cookie })).status, 401)
  }
})

t.test('CVE-2026-34454, C4.3 two session cookies are cleared when the sign-in is reached', async t => {
  for (const cookie of [`${alice}; ${bob}`, 'scopegate=rubbish', `${alice.slice(0, -1)}_`]) {
    const answer = await exchange(t, gateway.port, { target: '/.auth/login', cookie })
    t.equal(answer.status, 302)
    const cleared = answer.all('set-cookie').filter(line => /^scopegate=;/.test(line))
    t.equal(cleared.length, 1, 'the cookie is deleted (S3)')
    t.match(cleared[0] ?? '', /Path=\/; .*HttpOnly/i)
  }
})

t.test('the session itself is not ended by that: whoever planted a cookie signs nobody out', async t => {
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: alice })).status, 200)
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: bob })).status, 200)
})

t.test('a name in another spelling is another cookie', async t => {
  const value = alice.slice(alice.indexOf('=') + 1)
  for (const cookie of [`Scopegate=${value}`, `SCOPEGATE=${value}`, `scopegate =${value}`, `xscopegate=${value}`, `scopegate.t=${value}`, `=scopegate=${value}`, `__Host-scopegate=${value}`, `"scopegate"=${value}`, `scopegate%3d${value}`, `a="; ${'scopegate'}:${value}`]) {
    for (const target of ['/x', '/.auth/me']) {
      t.equal((await exchange(t, gateway.port, { target, cookie })).status, 401, `${cookie.slice(0, 20)} on ${target}`)
    }
  }
})

t.test('a value in another spelling is no session, and both readers of the cookie agree', async t => {
  const value = alice.slice(alice.indexOf('=') + 1)
  for (const spelled of [`"${value}"`, encodeURIComponent(`"${value}"`), value.replace('.', '%2E'), `%${value}`, `${value}%00`, `${value}=`, `${value}==`, `${value}.`, `${value},x`, `s:${value}`, value.toUpperCase()]) {
    const page = await exchange(t, gateway.port, { target: '/x', cookie: `scopegate=${spelled}` })
    const me = await exchange(t, gateway.port, { target: '/.auth/me', cookie: `scopegate=${spelled}` })
    t.equal(page.status, 401, spelled.slice(-10))
    t.equal(me.status, 401, `/.auth/me with ${spelled.slice(-10)}`)
  }
})

t.test('CVE-2024-24814, C4.6 a huge or senseless Cookie field is refused or answered at once', async t => {
  const cookies = ['x'.repeat(15_000), Array.from({ length: 500 }, (_, i) => `c${i}=1`).join('; '), ';'.repeat(10_000), '=;'.repeat(5000), 'scopegate=x;'.repeat(1000), 'scopegate.t.aaaaaaaa=x;'.repeat(600)]
  for (const cookie of cookies) {
    for (const target of ['/x', '/.auth/me', '/.auth/login']) {
      const startedAt = performance.now()
      const { status } = await exchange(t, gateway.port, { target, cookie })
      t.ok([401, 302, 431].includes(status), `${cookie.slice(0, 12)}... on ${target}: ${status}`)
      t.ok(performance.now() - startedAt < 4000, 'soon')
    }
  }
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: 'x'.repeat(65_536) })).status, 431)
})
