/**
 * S9, 4.2, C4.16: every answer of the gateway's own is kept out of caches, frames and sniffers and says whose it is; every
 * cookie of ours has its attributes, also when it is deleted.
 */
import t, { type Test } from 'tap'
import { loadDefaultConfig } from '../../emulator/config/load.ts'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { connectRaw, exchange, type RawAnswer, type RawRequest } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const navigation = [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document'], ['Sec-Fetch-Site', 'none']] as const
const entra = await startEntra(t, { config: withRedirectUri('https://portal.example/.auth/callback') })
const app = await startUpstream(t)
const routes = [
  { path: '/public/*', upstream: 'app', access: 'public', maxBodyBytes: 5 },
  { path: '/closed/*', upstream: 'closed', access: 'public' },
  { path: '/denied/*', upstream: 'app', allow: { roles: ['Nobody'] } },
  { path: '/app/*', upstream: 'app' }
]
const upstreams = { app: { url: app.origin }, closed: { url: `http://127.0.0.1:${await freePort()}` } }
const gateway = await startGateway(t, { emulator: entra, upstreams, routes })
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })

function withRedirectUri (uri: string) {
  const config = structuredClone(loadDefaultConfig())
  const [tenant, ...others] = config.tenants
  const apps = tenant!.apps!.map(app => app.name === 'Gateway' ? { ...app, redirectUris: { web: [...app.redirectUris!.web!, uri] } } : app)
  return { ...config, tenants: [{ ...tenant!, apps }, ...others] }
}

function checkOwn (t: Test, answer: RawAnswer, code: string | undefined): void {
  t.equal(answer.header('cache-control'), 'no-store')
  t.equal(answer.header('x-content-type-options'), 'nosniff')
  t.equal(answer.header('referrer-policy'), 'no-referrer')
  const policy = answer.header('content-security-policy') ?? ''
  for (const directive of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]) t.match(policy, directive)
  t.notMatch(policy, /unsafe|\*|script-src/)
  t.equal(answer.header('scopegate-error'), code)
  t.equal(answer.header('scopegate'), code === undefined ? '1' : undefined)
  for (const name of ['server', 'x-powered-by', 'etag', 'access-control-allow-origin']) t.equal(answer.header(name), undefined, `no ${name}`)
}

interface Own {
  readonly request: RawRequest
  readonly status: number
  readonly code?: string
}

const answers: Record<string, Own> = {
  'a bad target': { request: { target: '/a/../b' }, status: 400, code: 'SG_TARGET_INVALID' },
  'a foreign host': { request: { target: '/', host: 'evil.example' }, status: 421, code: 'SG_TARGET_INVALID' },
  TRACE: { request: { method: 'TRACE', target: '/' }, status: 405, code: 'SG_TARGET_INVALID' },
  'too many fields': { request: { fields: Array.from({ length: 120 }, (_, i) => [`X${i}`, ''] as const) }, status: 431, code: 'SG_TARGET_INVALID' },
  'an unknown expectation': { request: { target: '/public/x', fields: [['Expect', 'coffee']] }, status: 417, code: 'SG_TARGET_INVALID' },
  'a long target': { request: { target: `/${'a'.repeat(9000)}` }, status: 414, code: 'SG_TARGET_INVALID' },
  'fields that are too large': { request: { fields: [['X', 'x'.repeat(20_000)]] }, status: 431, code: 'SG_TARGET_INVALID' },
  'what the parser cannot read': { request: { method: 'get' }, status: 400, code: 'SG_TARGET_INVALID' },
  'no session, script': { request: { target: '/app/x' }, status: 401, code: 'SG_SIGN_IN_REQUIRED' },
  'no session, navigation': { request: { target: '/app/x', fields: navigation }, status: 302, code: 'SG_SIGN_IN_REQUIRED' },
  'another site': { request: { method: 'POST', target: '/app/x', cookie, fields: [['Sec-Fetch-Site', 'cross-site']], body: '' }, status: 403, code: 'SG_ORIGIN_REFUSED' },
  'access denied, script': { request: { target: '/denied/x', cookie }, status: 403, code: 'SG_ACCESS_DENIED' },
  'access denied, navigation': { request: { target: '/denied/x', cookie, fields: navigation }, status: 403, code: 'SG_ACCESS_DENIED' },
  'unknown, anonymous': { request: { target: '/nowhere' }, status: 401, code: 'SG_SIGN_IN_REQUIRED' },
  'unknown, signed in': { request: { target: '/nowhere', cookie }, status: 404, code: 'SG_ROUTE_UNKNOWN' },
  'unknown endpoint of ours': { request: { target: '/.auth/nowhere' }, status: 404, code: 'SG_ROUTE_UNKNOWN' },
  'a large body': { request: { method: 'POST', target: '/public/x', body: '1234567' }, status: 413, code: 'SG_BODY_TOO_LARGE' },
  'upstream gone, script': { request: { target: '/closed/x' }, status: 502, code: 'SG_UPSTREAM_UNREACHABLE' },
  'upstream gone, navigation': { request: { target: '/closed/x', fields: navigation }, status: 502, code: 'SG_UPSTREAM_UNREACHABLE' },
  login: { request: { target: '/.auth/login' }, status: 302 },
  'callback refused': { request: { target: '/.auth/callback?code=x&state=y', fields: navigation }, status: 400, code: 'SG_SIGN_IN_MISMATCH' },
  'callback refused, script': { request: { target: '/.auth/callback' }, status: 400, code: 'SG_SIGN_IN_MISMATCH' },
  'who am I, anonymous': { request: { target: '/.auth/me' }, status: 401 },
  'who am I': { request: { target: '/.auth/me', cookie }, status: 200 },
  'sign-out that asks': { request: { target: '/.auth/logout', cookie, fields: [['Sec-Fetch-Site', 'cross-site']] }, status: 200 },
  'sign-out of nobody': { request: { target: '/.auth/logout', fields: [['Sec-Fetch-Site', 'none']] }, status: 303 },
  'signed out': { request: { target: '/.auth/logout/done' }, status: 200 },
  'signed out, and on': { request: { target: '/.auth/logout/done', cookie: 'scopegate.after=/public/x' }, status: 303 }
}

for (const [name, { request, status, code }] of Object.entries(answers)) {
  t.test(`the answer to "${name}" carries what all of ours carry`, async t => {
    const answer = await exchange(t, gateway.port, request)
    t.equal(answer.status, status)
    checkOwn(t, answer, code)
    const type = answer.header('content-type') ?? ''
    if (type.startsWith('application/problem+json')) {
      t.strictSame([answer.json().code, answer.json().status], [code, status])
    }
    if (type.startsWith('text/html')) t.notMatch(answer.text(), /<script|https?:\/\/(?!localhost)|\son[a-z]+=/i, 'a page loads and runs nothing')
  })
}

t.test('a request that timed out gets the same', async t => {
  const limits = { headersTimeoutSeconds: 1, requestTimeoutSeconds: 1 }
  const slow = await startGateway(t, { upstreams, routes, server: { limits } })
  const connection = await connectRaw(t, slow.port)
  connection.send('GET / HTTP/1.1\r\nHost: localhost\r\n')
  const answer = await connection.answer({ deadlineMs: 10_000 })
  t.equal(answer?.status, 408)
  checkOwn(t, answer!, 'SG_TARGET_INVALID')
})

t.test('the control: answers of an upstream carry none of it', async t => {
  const answer = await exchange(t, gateway.port, { target: '/public/x' })
  for (const name of ['scopegate', 'scopegate-error', 'content-security-policy', 'cache-control', 'referrer-policy']) t.equal(answer.header(name), undefined, name)
})

/** Goes through a sign-in and sign-out by hand, and gives every Set-Cookie line. */
async function allCookies (t: Test, { port, host, publicUrl }: { port: number, host: string, publicUrl: string }) {
  const provider = createBrowser(t, { ca: entra.caPem })
  const login = await exchange(t, port, { target: '/.auth/login', host })
  const answer = await provider.visit(`${login.header('location')}&autologin=alice%40contoso.example&autoconsent=1`)
  const callback = new URL(answer.location())
  t.equal(callback.origin, publicUrl)
  const pending = login.all('set-cookie')[0]!.split(';', 1)[0]!
  const signedIn = await exchange(t, port, { target: callback.pathname + callback.search, host, cookie: pending })
  t.equal(signedIn.status, 303)
  const session = signedIn.all('set-cookie').map(line => line.split(';', 1)[0]!).find(pair => /^(?:__Host-)?scopegate=./.test(pair))!
  t.equal((await exchange(t, port, { target: '/app/x', host, cookie: session })).status, 200, 'the cookie is a session')
  const logout = await exchange(t, port, { target: '/.auth/logout?post_logout_redirect_uri=/public/x', host, cookie: session, fields: [['Sec-Fetch-Site', 'none']] })
  const done = await exchange(t, port, { target: '/.auth/logout/done', host, cookie: logout.all('set-cookie').map(line => line.split(';', 1)[0]!).find(pair => pair.includes('.after='))! })
  const invalid = await exchange(t, port, { target: '/.auth/login', host, cookie: session })
  return [login, signedIn, logout, done, invalid].flatMap(one => one.all('set-cookie'))
}

t.test('envoy-39879, C4.16 over https every cookie is __Host-, Secure, HttpOnly, for the whole host only, Lax', async t => {
  const portal = await startGateway(t, { emulator: entra, upstreams, routes, server: { publicUrl: 'https://portal.example' } })
  const lines = await allCookies(t, { port: portal.port, host: 'portal.example', publicUrl: 'https://portal.example' })
  t.ok(lines.length >= 7, 'pending, session, rounds, after, and their deletions')
  t.ok(lines.some(line => /^__Host-scopegate=[^;]/.test(line)), 'the session is among them')
  t.ok(lines.some(line => /^__Host-scopegate=;/.test(line)), 'and its deletion')
  for (const line of lines) {
    const name = line.split('=', 1)[0]!
    t.match(line, /^__Host-scopegate(?:\.[a-z]+(?:\.[A-Za-z0-9_-]{8})?)?=/, name)
    t.match(line, /; Path=\/(?:;|$)/, name)
    t.match(line, /; HttpOnly(?:;|$)/, name)
    t.match(line, /; Secure(?:;|$)/, name)
    t.match(line, /; SameSite=Lax(?:;|$)/, name)
    t.notMatch(line, /; Domain=/i, name)
    t.ok(line.length < 4096, name)
    if (/^__Host-scopegate=[^;]/.test(line)) t.notMatch(line, /max-age|expires/i, 'a session cookie ends with the browser')
  }
})

t.test('C4.16 on http://localhost they are the same but for Secure and the prefix, which browsers refuse there', async t => {
  const lines = await allCookies(t, { port: gateway.port, host: 'localhost', publicUrl: gateway.url })
  for (const line of lines) {
    t.match(line, /^scopegate[.=]/)
    for (const attribute of [/; Path=\/(?:;|$)/, /; HttpOnly(?:;|$)/, /; SameSite=Lax(?:;|$)/]) t.match(line, attribute)
    t.notMatch(line, /; (?:Secure|Domain)/i)
  }
})
