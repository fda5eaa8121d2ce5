/**
 * C6.10, K6: whatever is secret is issued, used, refreshed and failed over in front of the log, the traces, the pages and the
 * error bodies, at log level trace; then each of these is searched for it. What to search for is asked of the other sides: the
 * emulator's state, what the upstream saw, what the browser got.
 */
import { createHash } from 'node:crypto'
import t from 'tap'
import { createBrowser, type Reply } from '../support/browser.ts'
import { startCollector } from '../support/collector.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { reachCallback } from '../support/signed-in.ts'
import { tracesTo } from '../support/traces.ts'
import { startUpstream } from '../support/upstream.ts'

const secrets = new Map<string, string>([['gw-secret', 'the client secret']])
/** Bodies of the gateway's own answers, and their headers but for cookies. */
const told: string[] = []

const entra = await startEntra(t)
const app = await startUpstream(t)
const collector = await startCollector(t)
const traces = await tracesTo(t, collector)
const gateway = await startGateway(t, {
  emulator: entra,
  traces,
  upstreams: {
    orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] },
    reports: { url: app.origin, scopes: ['api://reports/Reports.Read'] },
    closed: { url: 'http://127.0.0.1:9', scopes: ['api://orders/Orders.Read'] }
  },
  routes: [
    { path: '/orders/*', upstream: 'orders', identityHeaders: 'easyauth' }, { path: '/reports/*', upstream: 'reports' },
    { path: '/closed/*', upstream: 'closed' }, { path: '/public/*', upstream: 'orders', access: 'public' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { url, port, clock } = gateway
const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })

function remember (what: string, value: string | null | undefined): void {
  if (value !== undefined && value !== null && value.length >= 8) secrets.set(value, what)
}

/** Keeps what an answer of the gateway's own told; the sealed need in a sign-in link is meant to be there. */
function listen (reply: Pick<Reply, 'status' | 'headers' | 'body'>): void {
  if (reply.headers.scopegate === undefined && reply.headers['scopegate-error'] === undefined) return
  const { 'set-cookie': _cookies, location, ...headers } = reply.headers
  const isToProvider = typeof location === 'string' && location.startsWith(entra.origin)
  told.push(JSON.stringify(headers), reply.body, isToProvider ? '' : String(location))
}

async function visit (path: string, options: Parameters<typeof browser.visit>[1] = {}): Promise<Reply> {
  const reply = await browser.visit(path.startsWith('http') ? path : `${url}${path}`, options)
  listen(reply)
  return reply
}

/** What the emulator has issued so far, from its own memory. */
function collect (): void {
  const { state } = entra.admin.snapshot() as unknown as { state: Record<string, { map: Array<[string, any]> }> }
  for (const [code, { nonce }] of state.codes!.map) {
    remember('an authorization code', code)
    remember('a nonce', nonce)
  }
  for (const [token] of state.refreshTokens!.map) remember('a refresh token', token)
  for (const [, { parameters }] of state.flows!.map) remember('a state', parameters.state)
  for (const { headers } of app.seen) remember('an access token', headers.authorization?.slice('Bearer '.length))
  for (const line of browser.received) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (name.startsWith('scopegate') && name !== 'scopegate.after') remember(`the cookie ${name.replace(/\.t\..*/, '.t')}`, value)
  }
}

t.test('everything happens once: sign-in, requests, refreshes, failures, sign-out', async t => {
  const callback = await reachCallback(browser, url, { at: '/orders/1' })
  remember('a state', callback.searchParams.get('state'))
  remember('an authorization code', callback.searchParams.get('code'))
  t.equal((await visit(callback.href)).status, 303)
  t.equal((await visit(callback.href)).status, 400, 'used twice')
  t.equal((await visit('/orders/1?token=in-the-query')).status, 200)
  for (const path of ['/.auth/me', '/nowhere', '/closed/x', '/a/../b', '/.auth/callback?code=x&state=y', '/.auth/login']) await visit(path)
  collect()

  t.test('a route that needs consent first', async t => {
    const other = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
    const page = await browser.fetch(`${url}/reports/1`)
    listen(page)
    t.ok([200, 401].includes(page.status))
    listen(await other.fetch(`${url}/reports/1`))
    t.equal((await browser.go(`${url}/reports/1`)).status, 200)
  })

  t.test('refreshes, good and bad', async t => {
    clock.advance(4000)
    entra.admin.clock.advance(4000)
    collect()
    const [refreshToken] = [...secrets].find(([, what]) => what === 'a refresh token')!
    const hostile = { error: 'invalid_request', error_description: `AADSTS90000: ${refreshToken} gw-secret`, error_codes: [90000] }
    for (const fault of [{ status: 500, body: `<p>${refreshToken}` }, { status: 400, body: hostile }, { action: 'reset' }, { status: 200, body: `{"access_token":"${refreshToken}"` }, { status: 200, body: { refresh_token: refreshToken } }, { aadsts: 7000215 }] as const) {
      entra.admin.fault({ endpoint: 'token', times: 5, ...fault } as Parameters<typeof entra.admin.fault>[0])
      const page = await browser.fetch(`${url}/orders/2`)
      listen(page)
      t.ok(page.status >= 400, `${page.status}`)
      entra.admin.clearFaults()
      clock.advance(120)
      entra.admin.clock.advance(120)
    }
    // Long enough for every back-off; the session ends an hour after its last use.
    clock.advance(600)
    entra.admin.clock.advance(600)
    const fine = await browser.go(`${url}/orders/3`)
    t.equal(fine.status, 200)
    collect()
  })

  t.test('a sign-in that the provider refuses', async t => {
    for (const fault of [{ aadsts: 7000215 }, { aadsts: 70008 }, { status: 500, body: 'gw-secret' }, { action: 'reset' }, { idToken: { claims: { nonce: 'x' } } }, { idToken: { key: 'unknown' } }] as const) {
      const again = await reachCallback(browser, url)
      remember('a state', again.searchParams.get('state'))
      remember('an authorization code', again.searchParams.get('code'))
      entra.admin.fault({ endpoint: 'token', times: 3, ...fault } as Parameters<typeof entra.admin.fault>[0])
      const page = await visit(again.href)
      entra.admin.clearFaults()
      t.ok(page.status >= 400, `${JSON.stringify(fault)}: ${page.status}`)
    }
  })

  t.test('cookies and codes in the wrong place', async t => {
    const session = browser.cookies(url).get('scopegate')
    for (const target of [`/nowhere/${session}`, `/.auth/me?x=${session}`, '/orders/x']) {
      const answer = await exchange(t, port, { target, cookie: `scopegate=${session}x`, fields: [['Authorization', `Bearer ${session}`], ['X-Forwarded-User', session ?? ''], ['Referer', `${url}/?code=${session}`]] })
      t.ok(answer.status >= 400)
    }
  })

  t.test('a grant that is dead, and the sign-out', async t => {
    entra.admin.updateUser('alice@contoso.example', { revoke: true })
    clock.advance(4000)
    entra.admin.clock.advance(4000)
    listen(await browser.fetch(`${url}/orders/4`))
    await browser.go(`${url}/orders/5`)
    collect()
    const logout = await visit('/.auth/logout')
    t.equal(logout.status, 303)
    await visit('/.auth/logout/done')
  })
  collect()
})

/** A path that a client wrote a cookie into is a path; it is taken out before the search. */
function logText (): string {
  return gateway.logged().replaceAll(/"path":"\/nowhere\/[^"]*"/g, '')
}

t.test('what is searched for was found in the first place', async t => {
  const kinds = new Set(secrets.values())
  for (const kind of ['the client secret', 'an authorization code', 'a refresh token', 'a state', 'a nonce', 'an access token', 'the cookie scopegate', 'the cookie scopegate.t', 'the cookie scopegate.r']) t.ok(kinds.has(kind), kind)
  t.ok(secrets.size > 20, String(secrets.size))
  t.ok(gateway.logged().length > 2000, 'there is a log')
  t.match(gateway.logged(), /"event":"signed-in"/)
  t.ok(told.length > 30, 'there are answers')
})

t.test('C6.10 no secret is in the log', async t => {
  const text = logText()
  for (const [value, what] of secrets) if (text.includes(value)) t.fail(`${what} is in the log: ${text.slice(text.indexOf(value) - 200, text.indexOf(value) + 20)}`)
  t.notMatch(text, /eyJ[A-Za-z0-9_-]{10,}/, 'nor anything that looks like a token')
  t.notMatch(text, /in-the-query|code=|state=/, 'nor any query')
  t.notMatch(text, /alice|contoso/, 'nor the user')
})

t.test('C6.10 no secret is in a trace', async t => {
  await traces.close()
  t.ok(collector.spans().length > 100)
  // As the paths in the log: what a client wrote into one is part of it.
  const spans = collector.spans().filter(({ attributes }) => !String(attributes['url.path']).startsWith('/nowhere/'))
  const text = JSON.stringify(spans, (_, value) => typeof value === 'bigint' ? Number(value) : value)
  for (const [value, what] of secrets) if (text.includes(value)) t.fail(`${what} is in a trace: ${text.slice(text.indexOf(value) - 200, text.indexOf(value) + 20)}`)
  t.notMatch(text, /eyJ[A-Za-z0-9_-]{10,}|in-the-query|code=|state=|alice|contoso/)
})

t.test('CVE-2024-39315, C6.10 no secret is in an answer of the gateway\'s own', async t => {
  for (const text of told) {
    const plain = text.replaceAll(/need=[A-Za-z0-9._-]+/g, '')
    for (const [value, what] of secrets) {
      // A nonce that was spent is a claim like others, and /.auth/me lists them all.
      if (what !== 'a nonce' && plain.includes(value)) t.fail(`${what}: ${plain.slice(0, 200)}`)
    }
    t.notMatch(plain, /eyJ[A-Za-z0-9_-]{10,}|AADSTS/)
  }
})

t.test('C6.10 no text of the log has the hash of what the emulator was sent: codes, verifiers, refresh tokens, hints', async t => {
  const hashes = new Set(entra.requests().flatMap(({ parameters }) => Object.values(parameters)).filter(value => value.startsWith('sha256:')))
  t.ok(hashes.size > 5)
  const candidates = [logText(), ...told].flatMap(text => text.match(/[A-Za-z0-9._~-]{40,}/g) ?? [])
  for (const text of new Set(candidates)) {
    const hash = `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
    if (hashes.has(hash)) t.fail(`what was sent to the provider is told: ${text.slice(0, 8)}...`)
  }
})

t.test('C6.10 the upstream sees its token and nothing else that is secret', async t => {
  t.ok(app.seen.length >= 3)
  for (const { rawHeaders, url: target, body } of app.seen) {
    const text = JSON.stringify([target, body, rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() !== 'authorization')])
    for (const [value, what] of secrets) if (what !== 'an access token' && text.includes(value)) t.fail(`${what} reaches the upstream`)
  }
})
