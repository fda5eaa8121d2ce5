/** This file changes what users may do while they are signed in: it counts within the hour, with and without API tokens. */
import t, { type Test } from 'tap'
import { createClock } from '../identity/support/clock.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { until } from '../support/redis.ts'
import { apis, startWorld, users } from '../support/replicas.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = 'alice@contoso.example'
const minute = 60_000
const team = '77777777-7777-4777-8777-777777777771'

async function start (t: Test) {
  // MSAL reads Date, and so does everybody else in this process.
  const clock = createClock(t)
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const { url } = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/admin/*', upstream: 'app', allow: { roles: ['Orders.Admin'] } },
      { path: '/others/*', upstream: 'app', deny: { groups: [team] } },
      { path: '/strong/*', upstream: 'app', requireAuthContext: 'c1' },
      { path: '/orders/*', upstream: 'app', scopes: ['api://orders/Orders.Read'] },
      { path: '/*', upstream: 'app', identityHeaders: 'standard' }
    ],
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    session: { idleSeconds: 20_000 }
  })
  async function signIn (): Promise<Browser> {
    const browser = createBrowser(t, { ca: entra.caPem, user: alice })
    await browser.go(`${url}/`)
    return browser
  }
  const status = async (browser: Browser, path: string): Promise<number> => (await browser.fetch(url + path)).status
  const tokenCalls = (): number => entra.requests().filter(({ endpoint }) => endpoint === 'token').length
  return { clock, entra, app, url, signIn, status, tokenCalls }
}

t.test('CVE-2021-41230 a role that is taken away is gone within the hour, although no route needs a token', async t => {
  const { clock, entra, signIn, status, tokenCalls } = await start(t)
  const browser = await signIn()
  t.same([await status(browser, '/admin/x'), await status(browser, '/others/x')], [200, 403])
  entra.admin.updateUser(alice, { roles: { Gateway: [] }, groups: [] })
  const before = tokenCalls()
  clock.advance(40 * minute)
  t.equal(await status(browser, '/x'), 200)
  t.equal(tokenCalls(), before, 'too early')
  clock.advance(15 * minute)
  for (let i = 0; i < 5; i++) t.equal(await status(browser, '/x'), 200, 'nobody waits for the renewal')
  await until('the renewal', async () => await status(browser, '/admin/x') === 403)
  t.equal(await status(browser, '/others/x'), 200, 'and out of the denied group')
  t.equal(tokenCalls(), before + 1, 'one token request')
  t.equal(entra.requests().filter(({ endpoint }) => endpoint === 'token').at(-1)!.parameters.scope?.includes('orders'), false)
})

t.test('CVE-2021-41230 roles follow any renewal of a token, in every session of the user, and so do identity headers', async t => {
  const { clock, entra, url, signIn, status, tokenCalls } = await start(t)
  entra.admin.updateUser(alice, { roles: { Gateway: [] } })
  const [one, other] = [await signIn(), await signIn()]
  t.equal(await status(one, '/admin/x'), 403)
  entra.admin.updateUser(alice, { roles: { Gateway: ['Orders.Admin'] }, groups: ['g9'] })
  const before = tokenCalls()
  clock.advance(92 * minute)
  t.equal(await status(one, '/orders/x'), 200)
  t.equal(tokenCalls(), before + 1)
  clock.advance(31_000)
  t.equal(await status(one, '/admin/x'), 200)
  t.equal(await status(other, '/admin/x'), 200)
  t.equal((await other.fetch(`${url}/x`)).json().headers['x-forwarded-groups'], 'g9')
  t.equal(tokenCalls(), before + 1, 'the token\'s renewal was enough')
})

t.test('CVE-2021-41230 after a long pause a rule waits for the claims of today; in an outage it lets nobody in', async t => {
  const { clock, entra, app, url, signIn, status, tokenCalls } = await start(t)
  const browser = await signIn()
  t.equal(await status(browser, '/admin/x'), 200)
  entra.admin.updateUser(alice, { roles: { Gateway: [] } })
  clock.advance(96 * minute)
  entra.admin.fault({ endpoint: 'token', status: 503, times: 1 })
  const [before, seen] = [tokenCalls(), app.seen.length]
  const outage = await browser.fetch(`${url}/admin/x`)
  t.same([outage.status, outage.json().code], [503, 'SG_PROVIDER_UNAVAILABLE'])
  t.equal(app.seen.length, seen)
  t.equal(await status(browser, '/x'), 200, 'what has no rule goes on')
  clock.advance(31_000)
  t.same(await Promise.all(Array.from({ length: 10 }, async () => await status(browser, '/admin/x'))), Array(10).fill(403))
  t.equal(tokenCalls(), before + 2, 'one that failed and one for all')
})

t.test('C6.4 a user who was disabled is signed out within the hour, although no route needs a token', async t => {
  const { clock, entra, signIn, status } = await start(t)
  const browser = await signIn()
  entra.admin.updateUser(alice, { state: 'disabled' })
  clock.advance(56 * minute)
  t.equal(await status(browser, '/x'), 200)
  await until('the end of the session', async () => await status(browser, '/x') === 401)
})

t.test('C6.4 when one session of a user finds the grant dead, the others go by the newest claims until theirs are due, and end', async t => {
  const { clock, entra, url, signIn, status } = await start(t)
  const [one, other] = [await signIn(), await signIn()]
  const groups = async (browser: Browser): Promise<unknown> => (await browser.fetch(`${url}/x`)).json().headers['x-forwarded-groups']
  t.equal(await groups(other), team)
  entra.admin.updateUser(alice, { groups: [] })
  clock.advance(56 * minute)
  await until('the renewal', async () => await groups(one) === undefined)
  entra.admin.updateUser(alice, { state: 'disabled' })
  clock.advance(56 * minute)
  await until('the end of the session that asks first', async () => await status(one, '/x') === 401)
  t.equal(await groups(other), undefined, 'what was taken away does not come back')
  await until('the end of the other one', async () => await status(other, '/x') === 401)
})

t.test('a provider that wants to see the user says so where a rule needs to know, and nowhere else', async t => {
  const { clock, entra, url, signIn, status } = await start(t)
  const browser = await signIn()
  entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, aadsts: 50076, times: 3 })
  clock.advance(96 * minute)
  const reply = await browser.fetch(`${url}/admin/x`)
  t.same([reply.status, reply.json().reason], [401, 'mfa_required'])
  t.equal(await status(browser, '/x'), 200)
  t.equal((await browser.go(url + reply.json().loginUrl)).status, 200)
  t.equal(await status(browser, '/admin/x'), 200)
})

t.test('C5.22 a renewal neither takes a context away that the session had, nor brings one', async t => {
  const { clock, entra, url, signIn, status } = await start(t)
  const [strong, weak] = [await signIn(), await signIn()]
  t.equal((await strong.go(`${url}/strong/x`)).status, 200)
  const signedInAt = clock.now() / 1000
  for (const acrs of [null, ['c1']]) {
    clock.advance(60 * minute)
    entra.admin.fault({ endpoint: 'token', idToken: { claims: { acrs } } })
    t.equal(await status(weak, '/x'), 200)
    await until('the renewal', async () => Number((await claimsOf(weak)).iat) > signedInAt)
    clock.advance(31_000)
    t.equal(await status(strong, '/strong/x'), 200)
    t.equal(await status(weak, '/strong/x'), 401)
  }

  async function claimsOf (browser: Browser): Promise<Record<string, string>> {
    const [{ user_claims: claims }] = (await browser.fetch(`${url}/.auth/me`)).json()
    return Object.fromEntries(claims.map(({ typ, val }: { typ: string, val: string }) => [typ, val]))
  }
})

t.test('CVE-2021-41230 what one replica learns all go by, and a sign-out leaves nothing', async t => {
  const clock = createClock(t)
  const world = await startWorld(t, { refreshReuse: 'allow' })
  const user = users[0]!
  const plain = { upstream: apis[0]!.name, token: 'none' }
  const routes = [...world.parts.routes, { path: '/plain/*', ...plain }, { path: '/admin/*', ...plain, allow: { roles: ['Orders.Admin'] } }]
  const [one, two] = await Promise.all([startGateway(t, { ...world.parts, routes }), startGateway(t, { ...world.parts, routes })])
  const browser = await world.signIn(user, one.url)
  const status = async (url: string): Promise<number> => (await browser.fetch(`${url}/admin/x`)).status
  t.same([await status(one.url), await status(two.url)], [403, 403])
  world.entra.admin.updateUser(user.upn, { roles: { Gateway: ['Orders.Admin'] } })
  const before = world.entra.requests().at(-1)!.id
  clock.advance(56 * minute)
  await browser.fetch(`${one.url}/plain/x`)
  await until('the renewal', async () => await status(one.url) === 200)
  clock.advance(31_000)
  t.equal(await status(two.url), 200)
  t.equal(world.tokenCalls(before).length, 1)

  await browser.visit(`${two.url}/.auth/logout`)
  t.notMatch(await world.redis.cli('--scan'), /:(?:s|tc|uc):/)
})
