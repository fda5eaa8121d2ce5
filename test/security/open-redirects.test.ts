/**
 * C3.1-C3.5, C3.10, A8: where a browser goes after signing in or out is a path of ours, however it is parsed, decoded or
 * normalised. Same class: GHSA-qqxw-m5fj-f7gv, GHSA-j7px-6hwj-hpjg (oauth2-proxy), CVE-2024-39694 (Duende).
 *
 * What Chromium makes of the addresses that are kept is in browser/return-urls.
 */
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'
import { payloads } from './redirect-payloads.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, { emulator: entra, upstreams: { app: { url: app.origin } }, routes: [{ path: '/*', upstream: 'app' }] })
const provider = createBrowser(t, { ca: entra.caPem })
const own = gateway.url

/** Where a sign-in with this value ends; undefined when the request itself is refused. */
async function afterSignIn (value: string): Promise<string | undefined> {
  const login = await exchange(t, gateway.port, { target: `/.auth/login?post_login_redirect_uri=${value}` })
  if (login.status === 400) return undefined
  const answer = await provider.visit(`${login.header('location')}&autologin=alice%40contoso.example&autoconsent=1`)
  const callback = new URL(answer.location())
  const cookie = login.all('set-cookie').map(line => line.split(';', 1)[0]).find(pair => pair?.startsWith('scopegate.t.'))
  const target = callback.pathname + callback.search
  const signedIn = await exchange(t, gateway.port, { target, ...(cookie === undefined ? {} : { cookie }) })
  if (signedIn.status !== 303) throw new Error(`${value}: ${signedIn.status}`)
  return signedIn.header('location')
}

/** Where a sign-out with this value ends, once the provider is through with it. */
async function afterSignOut (value: string): Promise<string | undefined> {
  const logout = await exchange(t, gateway.port, { target: `/.auth/logout?post_logout_redirect_uri=${value}`, fields: [['Sec-Fetch-Site', 'same-origin']] })
  if (logout.status === 400) return undefined
  const sentOn = new URL(logout.header('location')!)
  t.equal(sentOn.origin, entra.origin, 'first to the provider')
  t.equal(sentOn.searchParams.get('post_logout_redirect_uri'), `${own}/.auth/logout/done`)
  const cookie = logout.all('set-cookie').map(line => line.split(';', 1)[0]).find(pair => pair?.startsWith('scopegate.after='))
  const done = await exchange(t, gateway.port, { target: '/.auth/logout/done', ...(cookie === undefined ? {} : { cookie }) })
  return done.status === 303 ? done.header('location') : '/'
}

/** What is wrong with a Location, however often it is decoded on its way. */
function wrongWith (location: string): string | undefined {
  let text = location
  for (let round = 0; round < 4; round++) {
    // A blank is harmless within a path once it was escaped; everything else is not, at any depth.
    if (!/^[\x20-\x7e]*$/.test(text) || text.includes('\\') || (round === 0 && text.includes(' '))) return `a character that browsers strip or change: ${JSON.stringify(text)}`
    if (!URL.canParse(text, own)) return `no address: ${text}`
    const { origin, pathname } = new URL(text, own)
    if (origin !== own) return `leads to ${origin}`
    if (/^\/\.auth(?:[/;]|$)/i.test(pathname)) return 'leads to an endpoint of ours'
    if (!text.startsWith('/') || /^\/{2}/.test(text)) return `is no path: ${text}`
    // An escape in a query stays one: only paths are decoded by who comes next.
    const [path = ''] = text.split(/[?#]/, 1)
    if (!/%[0-9A-Fa-f]{2}/.test(path)) return undefined
    try {
      text = decodeURIComponent(path)
    } catch {
      return undefined
    }
  }
  return undefined
}

t.test('the list is long, and without repetitions', async t => {
  t.ok(payloads.length >= 500, String(payloads.length))
  t.match(payloads, new Array(payloads.length).fill(/^[!-~]+$/), 'a line is a query')
  t.equal(new Set(payloads).size, payloads.length)
})

t.test('the check finds what is wrong', async t => {
  for (const bad of ['//evil.example', '/\\evil.example', 'https://evil.example', '/\t/evil.example', '/%2f/evil.example', '/%5cevil.example', 'x', '/.auth/logout', '/%2eauth/logout', '/x/../.auth/login', '/%252f%252fx/\u200b']) t.ok(wrongWith(bad), bad)
  for (const good of ['/', '/a/b?c=d#e', '/a%20b', '/?next=https://evil.example/'.replace('//', '%2f%2f')]) t.equal(wrongWith(good), undefined, good)
})

t.test('C3.1, C3.2, GHSA-qqxw-m5fj-f7gv, GHSA-j7px-6hwj-hpjg, CVE-2024-39694, C3.3 no value leads away after a sign-in', async t => {
  for (let i = 0; i < payloads.length; i += 8) {
    const some = payloads.slice(i, i + 8)
    const locations = await Promise.all(some.map(afterSignIn))
    for (const [j, location] of locations.entries()) {
      const why = location === undefined ? undefined : wrongWith(location)
      t.equal(why, undefined, some[j]!.slice(0, 60))
    }
  }
})

t.test('C3.3, C3.10 no value leads away after a sign-out', async t => {
  for (let i = 0; i < payloads.length; i += 8) {
    const some = payloads.slice(i, i + 8)
    const locations = await Promise.all(some.map(afterSignOut))
    for (const [j, location] of locations.entries()) {
      t.equal(location === undefined ? undefined : wrongWith(location), undefined, some[j]!.slice(0, 60))
    }
  }
})

t.test('no value appears on the page that asks before a sign-out, except as a path', async t => {
  for (const payload of payloads) {
    const page = await exchange(t, gateway.port, { target: `/.auth/logout?post_logout_redirect_uri=${payload}`, fields: [['Sec-Fetch-Site', 'cross-site']] })
    if (page.status === 400) continue
    const action = /<form method="post" action="([^"]*)">/.exec(page.text())?.[1]
    const wanted = new URL(action ?? '', own).searchParams.get('post_logout_redirect_uri') ?? ''
    t.equal(wrongWith(wanted), undefined, payload.slice(0, 60))
  }
})

t.test('a value that is empty or comes twice counts as none', async t => {
  t.equal(await afterSignIn(''), '/')
  t.equal(await afterSignOut(''), '/')
  t.equal(await afterSignIn('/one&post_login_redirect_uri=/two'), '/')
  t.equal(await afterSignOut('/one&post_logout_redirect_uri=/two'), '/')
})

t.test('a path of ours is kept, with its query and fragment', async t => {
  for (const value of ['/orders', '/orders?page=2&sort=a', '/a/b/c', '/a%20b', '/%C3%A9', '/x?next=%2Fy', '/x#part', '/~user/.well-known/x', '/a.b.c', '/x:y@z', '/?', '/a?b=%5c&c=//d']) {
    t.equal(await afterSignIn(encodeURIComponent(value)), value)
    t.equal(await afterSignOut(encodeURIComponent(value)), value)
  }
})

t.test('C3.4 a value of 2 KiB is in no cookie', async t => {
  const long = `/${'a'.repeat(2100)}`
  const login = await exchange(t, gateway.port, { target: `/.auth/login?post_login_redirect_uri=${long}` })
  const logout = await exchange(t, gateway.port, { target: `/.auth/logout?post_logout_redirect_uri=${long}`, fields: [['Sec-Fetch-Site', 'none']] })
  for (const line of [...login.all('set-cookie'), ...logout.all('set-cookie')]) t.ok(line.length < 4096)
  t.notOk(logout.all('set-cookie').some(line => line.startsWith('scopegate.after=/')))
})
