/** This file checks that what happens beside a session's requests neither prolongs the session nor ends it. */
import t from 'tap'
import { createClock } from '../identity/support/clock.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { reachCallback, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const minuteMs = 60_000
const entra = await startEntra(t)
const app = await startUpstream(t)
const parts = {
  emulator: entra,
  upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [{ path: '/public/*', upstream: 'app', access: 'public', token: 'none' }, { path: '/*', upstream: 'app' }],
  entra: { initialScopes: ['api://orders/Orders.Read'] },
  session: { idleSeconds: 7200, absoluteSeconds: 3 * 3600 }
}

t.test('C4.10 tokens that are renewed to the end do not carry a session over its absolute end', async t => {
  // Everybody's clock: the provider's tokens have to be of now.
  const clock = createClock(t)
  const gateway = await startGateway(t, parts)
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  const renewals = (): number => entra.requests().filter(({ parameters }) => parameters.grant_type === 'refresh_token').length
  const before = renewals()
  for (let minutes = 0; minutes < 180; minutes += 20) {
    t.equal((await exchange(t, gateway.port, { target: '/x', cookie })).status, 200, `after ${minutes} minutes`)
    clock.advance(20 * minuteMs)
  }
  t.ok(renewals() - before >= 2, 'tokens were renewed')
  clock.advance(1000)
  const seen = app.seen.length
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie })).status, 401)
  t.equal((await exchange(t, gateway.port, { target: '/.auth/me', cookie })).status, 401)
  t.equal(app.seen.length, seen)
})

t.test('C4.11 requests under way while the user signs in once more sign nobody out', async t => {
  const gateway = await startGateway(t, parts)
  const { browser, cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  const elsewhere = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  const callback = await reachCallback(browser, gateway.url, { at: '/public/x' })
  const pending = [...browser.cookies(gateway.url)].map(([name, value]) => `${name}=${value}`).join('; ')
  const load = async (count: number) => await Promise.all(Array.from({ length: count }, async () => await exchange(t, gateway.port, { target: '/x', cookie })))
  const [early, again, late] = await Promise.all([
    load(25), exchange(t, gateway.port, { target: callback.pathname + callback.search, cookie: pending }), load(25)
  ])
  t.equal(again.status, 303)
  for (const answer of [...early, ...late]) {
    t.ok([200, 401].includes(answer.status), `${answer.status}: under the session before, or too late for it`)
    t.strictSame(answer.all('set-cookie'), [], 'no answer takes the new cookie away')
  }
  const next = again.all('set-cookie').map(line => line.split(';', 1)[0]!).find(pair => /^scopegate=./.test(pair))!
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: next })).status, 200, 'the new session')
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: elsewhere.cookie })).status, 200, 'and the one of another browser')
})
