/** This file checks that the lines about who came, went, was refused and was put out can be told from all others: `audit`. */
import t, { type Test } from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const alice = 'alice@contoso.example'

async function start (t: Test) {
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [
      { path: '/board/*', upstream: 'app', allow: { roles: ['Nobody.Has.It'] } },
      { path: '/lobby/*', upstream: 'app', access: 'optional', allow: { roles: ['Nobody.Has.It'] } },
      { path: '/reports/*', upstream: 'app', scopes: ['api://reports/Reports.Read'] },
      { path: '/*', upstream: 'app' }
    ],
    entra: { initialScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read'] }
  })
  const lines = (): any[] => gateway.logged().split('\n').filter(line => line !== '').map(line => JSON.parse(line))
  /** The audit lines but for their time and text, once there are so many. */
  async function audit (t: Test, count: number) {
    const found = (): any[] => lines().filter(line => line.audit === true)
    t.ok(await eventually(() => found().length >= count, 5000), `there are ${count}`)
    return found().map(({ level: _level, time: _time, msg: _msg, requestId: _requestId, audit: _audit, ...fields }) => fields)
  }
  const userOf = (path: string): string => lines().find(line => line.path === path).user
  const sidOf = async (browser: Awaited<ReturnType<typeof signIn>>['browser']): Promise<string> =>
    (await browser.fetch(`${gateway.url}/.auth/me`)).json()[0].user_claims.find((claim: { typ: string }) => claim.typ === 'sid').val
  return { entra, ...gateway, audit, userOf, sidOf }
}

t.test('a sign-in, a refusal and a sign-out', async t => {
  const { entra, url, audit, userOf } = await start(t)
  const { browser } = await signIn(t, { url, entra })
  t.equal((await browser.fetch(`${url}/board/1`)).status, 403)
  t.equal((await createBrowser(t).fetch(`${url}/lobby/1`)).status, 403)
  await browser.visit(`${url}/.auth/logout`)
  const told = await audit(t, 4)
  const user = userOf('/board/1')
  t.match(user, /^[\w-]{16}$/)
  t.same(told, [
    { event: 'signed-in', user },
    { event: 'access-refused', route: '/board/*', by: 'allow.roles', user },
    { event: 'access-refused', route: '/lobby/*', by: 'anonymous' },
    { event: 'signed-out', user }
  ])
})

t.test('a sign-out that the provider tells, by either way, and one that is not believed', async t => {
  const { entra, url, audit, sidOf } = await start(t)
  const { browser } = await signIn(t, { url, entra })
  const frame = createBrowser(t)
  await frame.visit(`${url}/.auth/frontchannel-logout?sid=somebody-elses`)
  await frame.visit(`${url}/.auth/frontchannel-logout?sid=${await sidOf(browser)}`)
  await signIn(t, { url, entra })
  const tell = async (token: string): Promise<number> => (await frame.fetch(`${url}/.auth/backchannel-logout`, {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `logout_token=${token}`
  })).status
  const token = await entra.admin.logoutToken({ user: alice, client: 'Gateway' })
  t.same([await tell(token), await tell(token)], [200, 400])
  const out = { event: 'signed-out', by: 'provider', sessions: 1 }
  const told = (await audit(t, 5)).filter(({ event }) => event !== 'signed-in')
  t.same(told, [out, out, { event: 'logout-token-refused', why: 'the token came before' }])
})

t.test('a session that ends with its grant', async t => {
  const { entra, url, audit, userOf } = await start(t)
  const { browser } = await signIn(t, { url, entra })
  await browser.fetch(`${url}/x`)
  entra.admin.updateUser(alice, { state: 'disabled' })
  t.equal((await browser.fetch(`${url}/reports/1`)).status, 401)
  const told = await audit(t, 2)
  t.same(told.at(-1), { event: 'session-ended', reason: 'grant-dead', user: userOf('/x') })
})
