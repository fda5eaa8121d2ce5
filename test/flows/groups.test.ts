/** This file checks rules about groups for users in more of them than a token holds: Graph is asked, or nobody gets in. */
import t, { type Test } from 'tap'
import type { Fault } from '../../emulator/admin/faults.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import { call, userToken } from '../support/api-client.ts'
import { clientId, startEntra, startGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const grace = 'groups@contoso.example'
const team = 'AAAAAAAA-aaaa-4aaa-8aaa-aaaaaaaaaaa1'
const denied = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa2'
const many = Array.from({ length: 250 }, (_, i) => `bbbbbbbb-bbbb-4bbb-8bbb-${String(i).padStart(12, '0')}`)

async function start (t: Test, { scopes = ['User.Read'], graphUrl }: { scopes?: string[], graphUrl?: null } = {}) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url, port, clock } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/team/*', upstream: 'app', allow: { groups: [team] }, identityHeaders: 'standard' },
      { path: '/others/*', upstream: 'app', deny: { groups: [denied] } },
      { path: '/named/*', upstream: 'app', allow: { groups: ['the-team'] } },
      { path: '/unnamed/*', upstream: 'app', deny: { groups: ['the-team'] } },
      { path: '/*', upstream: 'app' }
    ],
    entra: { initialScopes: scopes, ...(graphUrl === null ? {} : { graphUrl: entra.origin }) }
  })
  async function signIn (groups: readonly string[], user = grace): Promise<Browser> {
    entra.admin.updateUser(user, { groups })
    const browser = createBrowser(t, { ca: entra.caPem, user })
    await browser.go(`${url}/`)
    return browser
  }
  const statuses = async (browser: Browser): Promise<number[]> =>
    await Promise.all(['/team/x', '/others/x', '/named/x', '/unnamed/x'].map(async path => (await browser.fetch(url + path)).status))
  const graphCalls = (): number => entra.requests().filter(({ path }) => path === '/v1.0/me/getMemberObjects').length
  return { entra, app, url, port, clock, signIn, statuses, graphCalls }
}

t.test('C5.13 groups that the token had no room for are looked up, once for all requests of ten minutes', async t => {
  const { entra, url, clock, signIn, statuses, graphCalls } = await start(t)
  const browser = await signIn([...many, team.toLowerCase()])
  t.same(await statuses(browser), [200, 200, 403, 403])
  t.same(await Promise.all(Array.from({ length: 20 }, async () => (await browser.fetch(`${url}/team/x`)).status)), Array(20).fill(200))
  t.equal(graphCalls(), 1)
  t.equal((await browser.fetch(`${url}/team/x`)).json().headers['x-forwarded-groups'], undefined, 'no part of them is told as if it were all')

  entra.admin.updateUser(grace, { groups: [...many, denied] })
  t.same(await statuses(browser), [200, 200, 403, 403], 'as it was')
  clock.advance(601)
  t.same(await statuses(browser), [403, 403, 403, 403], 'as it is')
  t.equal(graphCalls(), 2)
})

t.test('C5.13 each session has its own groups, and a token that holds them is believed', async t => {
  const { signIn, statuses, graphCalls } = await start(t)
  const [one, other] = [await signIn([...many, team.toLowerCase()]), await signIn([...many, denied], 'groups-200@contoso.example')]
  t.same(await statuses(one), [200, 200, 403, 403])
  t.same(await statuses(other), [403, 403, 403, 403])
  t.equal(graphCalls(), 2)
  t.same(await statuses(await signIn([team.toLowerCase(), denied], 'bob@contoso.example')), [200, 403, 403, 200])
  t.equal(graphCalls(), 2)
})

t.test('C5.13 while Graph does not answer, or not well, a rule about groups lets nobody in', async t => {
  const rows: Array<[fault: Omit<Fault, 'endpoint'>, status: number, code: string]> = [
    [{ status: 503 }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ status: 429, headers: { 'retry-after': '7' } }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ action: 'html', status: 200 }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ action: 'reset' }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ body: {} }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ body: { value: [1] } }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ body: { value: [], '@odata.nextLink': 'https://graph/next' } }, 503, 'SG_PROVIDER_UNAVAILABLE'],
    [{ status: 403, body: { error: { code: 'Authorization_RequestDenied' } } }, 502, 'SG_PROVIDER_MISCONFIGURED'],
    [{ status: 400, body: { error: { code: 'Directory_ResultSizeLimitExceeded' } } }, 502, 'SG_PROVIDER_MISCONFIGURED']
  ]
  const { entra, app, url, clock, signIn, statuses } = await start(t)
  const browser = await signIn([...many, team.toLowerCase()])
  clock.stop()
  const seen = app.seen.length
  for (const [fault, status, code] of rows) {
    // Once: the second request is told the same without asking.
    entra.admin.fault({ endpoint: 'graph', ...fault })
    for (const path of ['/team/x', '/others/x']) {
      const reply = await browser.fetch(url + path)
      t.same([reply.status, reply.json().code], [status, code], `${path} ${JSON.stringify(fault)}`)
      if (status === 503 && fault.headers !== undefined) t.equal(reply.headers['retry-after'], '7')
    }
    clock.advance(11)
  }
  t.equal(app.seen.length, seen)
  t.equal((await browser.fetch(`${url}/x`)).status, 200, 'the session goes on')
  t.same(await statuses(browser), [200, 200, 403, 403])
})

t.test('C5.13 an API client whose token names no groups gets past a rule that denies when Graph says so', async t => {
  const { entra, app, port, clock, graphCalls } = await start(t)
  const bob = 'bob@contoso.example'
  entra.admin.updateUser(bob, { groups: [] })
  entra.admin.grant({ client: clientId, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] })
  const token = await userToken(entra, bob)
  t.equal((await call(t, port, '/others/x', { token })).status, 200)
  t.equal(graphCalls(), 1)
  const seen = app.seen.length
  t.equal((await call(t, port, '/unnamed/x', { token })).status, 403)
  entra.admin.updateUser(bob, { groups: [denied] })
  clock.advance(601)
  t.equal((await call(t, port, '/others/x', { token })).status, 403)
  t.same([app.seen.length, graphCalls()], [seen, 2])
})

t.test('who has not let the gateway ask Graph yet is asked for that', async t => {
  const { url, signIn, statuses } = await start(t, { scopes: [] })
  const browser = await signIn([...many, team.toLowerCase()])
  const reply = await browser.fetch(`${url}/team/x`)
  t.same([reply.status, reply.json().reason], [401, 'consent_required'])
  t.match(reply.headers['www-authenticate'], /scope="User\.Read"/)
  t.equal((await browser.go(`${url}/team/page`)).status, 200)
  t.same(await statuses(browser), [200, 200, 403, 403])
})

t.test('C5.13 where nobody knows a Graph, rules about groups let nobody in whose groups are not in the token', async t => {
  const { app, url, signIn, graphCalls } = await start(t, { graphUrl: null })
  const browser = await signIn([...many, team.toLowerCase()])
  const seen = app.seen.length
  for (const path of ['/team/x', '/others/x']) {
    const reply = await browser.fetch(url + path)
    t.same([reply.status, reply.json().code], [502, 'SG_PROVIDER_MISCONFIGURED'], path)
  }
  t.same([app.seen.length, graphCalls()], [seen, 0])
})
