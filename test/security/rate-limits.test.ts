/**
 * C4.7 and the rates of security.md 4.1: a client address that begins sign-ins without finishing them, signs out again and
 * again, or tries out session cookies is slowed down. Others are not, and neither are many users behind one address.
 */
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createRates } from '../../src/auth/rates.ts'
import { createPeers } from '../../src/proxy/peers.ts'
import { clientAddresses } from '../../src/server/client-address.ts'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startRedis } from '../support/redis.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
/** What the schema says by default. */
const rates = { signInsPerMinute: 30, signOutsPerMinute: 60, invalidCookiesPerMinute: 300 }

async function start (t: Test, parts: Record<string, unknown> = {}) {
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app' }],
    server: { limits: rates, trustedProxies: ['127.0.0.0/8'] },
    ...parts
  })
  // However long a slow machine takes to ask, no rate comes back meanwhile.
  gateway.clock.stop()
  return gateway
}

type Gateway = Awaited<ReturnType<typeof start>>
const from = (address: string) => [['X-Forwarded-For', address]] as const

interface Repeated { readonly target: string, readonly address: string, readonly cookie?: string }

/** Every status with how often it came. */
async function statuses (gateway: Gateway, count: number, { target, address, cookie }: Repeated) {
  const found: Record<number, number> = {}
  for (let i = 0; i < count; i++) {
    const fields = from(address)
    const { status } = await exchange(t, gateway.port, cookie === undefined ? { target, fields } : { target, fields, cookie })
    found[status] = (found[status] ?? 0) + 1
  }
  return found
}

t.test('sign-ins that nobody finishes are refused beyond the rate, with the time to wait', async t => {
  const gateway = await start(t)
  t.strictSame(await statuses(gateway, 40, { target: '/.auth/login', address: '198.51.100.1' }), { 302: 30, 429: 10 })
  const refused = await exchange(t, gateway.port, { target: '/.auth/login/aad', fields: from('198.51.100.1') })
  t.equal(refused.status, 429, 'the other spelling is the same endpoint')
  t.equal(refused.header('scopegate-error'), 'SG_OVERLOADED')
  t.match(refused.header('retry-after'), /^[12]$/)
  t.equal(refused.json().status, 429)
  t.strictSame(refused.all('set-cookie'), [], 'it costs nothing and leaves nothing')
  const page = await exchange(t, gateway.port, { target: '/.auth/login', fields: [...from('198.51.100.1'), ['Accept', 'text/html']] })
  t.equal(page.status, 429)
  t.match(page.header('content-type'), /^text\/html/, 'a person gets a page')
  t.equal((await exchange(t, gateway.port, { target: '/.auth/login', fields: from('198.51.100.2') })).status, 302, 'another address is served')
  t.equal((await exchange(t, gateway.port, { target: '/public/x', fields: from('198.51.100.1') })).status, 200, 'and that one elsewhere')
  gateway.clock.advance(2)
  t.equal((await exchange(t, gateway.port, { target: '/.auth/login', fields: from('198.51.100.1') })).status, 302)
  t.match(gateway.logged(), /"event":"rate-limited","rate":"sign-ins","address":"198\.51\.100\.1"/)
})

t.test('what stands left of the last untrusted address does not make another client', async t => {
  const gateway = await start(t)
  for (let i = 0; i < 30; i++) await exchange(t, gateway.port, { target: '/.auth/login', fields: from(`203.0.113.${i}, 198.51.100.1`) })
  t.equal((await exchange(t, gateway.port, { target: '/.auth/login', fields: from('203.0.113.99, 198.51.100.1') })).status, 429)
})

t.test('without trusted proxies the header makes no client', async t => {
  const addressOf = clientAddresses(createPeers(() => false), () => false)
  const counted = createRates({ ...rates, addressOf, now: () => 0, onRefusal: () => {} })
  const request = (forwardedFor: string) => ({ headers: { 'x-forwarded-for': forwardedFor }, socket: { remoteAddress: '198.51.100.1' } })
  const begin = (forwardedFor: string): void => { counted.countEndpoint('/.auth/login', request(forwardedFor) as never) }
  for (let i = 0; i < 30; i++) begin(`203.0.113.${i}`)
  t.throws(() => { begin('203.0.113.99') }, { code: 'SG_OVERLOADED' })
})

t.test('callbacks that nobody began are refused beyond the rate', async t => {
  const gateway = await start(t)
  t.strictSame(await statuses(gateway, 35, { target: '/.auth/callback?code=x&state=y', address: '198.51.100.1' }), { 400: 30, 429: 5 })
})

t.test('sign-outs are refused beyond their rate, through the provider too', async t => {
  const gateway = await start(t)
  t.strictSame(await statuses(gateway, 40, { target: '/.auth/logout', address: '198.51.100.1' }), { 303: 40 })
  t.strictSame(await statuses(gateway, 25, { target: '/.auth/frontchannel-logout?sid=x', address: '198.51.100.1' }), { 200: 20, 429: 5 })
})

t.test('any number of users behind one address can sign in, one after the other', async t => {
  const gateway = await start(t)
  for (let i = 0; i < 40; i++) {
    const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
    t.equal((await browser.go(`${gateway.url}/x`)).status, 200)
  }
})

t.test('C4.7 forged cookies are anonymous, cost no store call, and are slowed down', async t => {
  const redis = await startRedis(t)
  const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  const gateway = await start(t, { store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } }, keys })
  const reads = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await redis.cli('info', 'commandstats'))?.[1] ?? 0)
  const before = await reads()
  const found: Record<number, number> = {}
  for (let i = 0; i < 320; i++) {
    const cookie = `scopegate=k1.${randomBytes(32).toString('base64url')}.${randomBytes(32).toString('base64url')}`
    const { status } = await exchange(t, gateway.port, { target: '/x', cookie, fields: from('198.51.100.1') })
    found[status] = (found[status] ?? 0) + 1
  }
  t.strictSame(found, { 401: 300, 429: 20 })
  t.equal(await reads(), before, 'the store was not asked')
  const cookie = 'scopegate=forged'
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie, fields: from('198.51.100.2') })).status, 401, 'another address')
  t.equal((await exchange(t, gateway.port, { target: '/public/x', cookie, fields: from('198.51.100.1') })).status, 200, 'a public route')
  t.equal((await exchange(t, gateway.port, { target: '/x', fields: from('198.51.100.1') })).status, 401, 'without a cookie')
  const navigation = await exchange(t, gateway.port, { target: '/x', cookie, fields: [...from('198.51.100.1'), ['Accept', 'text/html']] })
  t.equal(navigation.status, 302, 'a navigation goes to the sign-in')
  t.equal(app.seen.filter(({ url }) => url === '/x').length, 40, 'none of this got to the upstream')
})

t.test('C4.7 a session that has ended costs one store call each time, and a live one behind the same address is served', async t => {
  const redis = await startRedis(t)
  const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  const gateway = await start(t, { store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } }, keys })
  const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  const { cookie: other } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
  t.equal((await exchange(t, gateway.port, { target: '/.auth/logout', cookie, fields: [['Sec-Fetch-Site', 'same-origin']] })).status, 303)
  const reads = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await redis.cli('info', 'commandstats'))?.[1] ?? 0)
  const before = await reads()
  t.strictSame(await statuses(gateway, 310, { target: '/x', address: '198.51.100.1', cookie }), { 401: 300, 429: 10 })
  t.ok(await reads() - before <= 310 + 5, 'one read each at most')
  t.equal((await exchange(t, gateway.port, { target: '/x', cookie: other, fields: from('198.51.100.1') })).status, 200)
})

t.test('a client of this machine, or of a proxy on it that is not listed, is not counted', async t => {
  const gateway = await start(t, { server: { limits: rates } })
  t.strictSame(await statuses(gateway, 40, { target: '/.auth/login', address: '198.51.100.1' }), { 302: 40 })
})
