/**
 * C4.1, C4.2, C4.4, C4.9, C4.12: a sign-in makes a new session and ends the one before; what has ended stays ended; what we
 * did not make is nothing. Same class: CVE-2022-25896, CVE-2021-41246, CVE-2024-35220, mod_auth_openidc 2026-08-07a.
 */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { reachCallback, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const parts = {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app', identityHeaders: 'standard' }],
  session: { idleSeconds: 600, absoluteSeconds: 1500 }
}
const gateway = await startGateway(t, parts)
const { url, port } = gateway

async function isSession (cookie: string, at = port): Promise<boolean> {
  const before = app.seen.length
  const page = await exchange(t, at, { target: '/x', cookie })
  const me = await exchange(t, at, { target: '/.auth/me', cookie })
  if (page.status === 200 && me.status === 200) return true
  t.strictSame([page.status, me.status], [401, 401], 'nobody is signed in, whoever reads the cookie')
  t.equal(app.seen.length, before)
  return false
}

t.test('CVE-2022-25896, CVE-2021-41246, fastify-session-2026-07-22, C4.1 a sign-in over a living session makes a new id, and the old one is dead', async t => {
  const { browser, cookie } = await signIn(t, { url, entra, at: '/public/x' })
  t.ok(await isSession(cookie))
  const page = await browser.go(`${url}/.auth/login`)
  t.equal(page.status, 200)
  const next = `scopegate=${browser.cookies(url).get('scopegate')}`
  t.not(next, cookie)
  t.ok(await isSession(next))
  t.notOk(await isSession(cookie), 'the session before has ended')
})

t.test('mod_auth_openidc-2026-08-07a, C4.1 an id that was planted before the sign-in is not the one that signs in', async t => {
  const attacker = await signIn(t, { url, entra, user: 'bob@contoso.example', at: '/public/x' })
  const plants = { 'of the attacker': attacker.cookie, 'never seen': `scopegate=generated.${randomBytes(32).toString('base64url')}.${randomBytes(32).toString('base64url')}`, rubbish: 'scopegate=x' }
  for (const [what, plant] of Object.entries(plants)) {
    const victim = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
    victim.setCookie(url, 'scopegate', plant.slice('scopegate='.length))
    await victim.go(`${url}/.auth/login`)
    const now = `scopegate=${victim.cookies(url).get('scopegate')}`
    t.not(now, plant, what)
    t.ok(await isSession(now))
    t.equal((await exchange(t, port, { target: '/.auth/me', cookie: now })).json()[0].user_id, 'alice@contoso.example')
    const left = await exchange(t, port, { target: '/.auth/me', cookie: plant })
    t.notMatch(left.text(), /alice/, 'whoever planted it is not signed in as the victim')
    t.notOk(await isSession(plant), 'what was planted is dead')
  }
})

t.test('C4.1 nobody gets a session cookie before the sign-in is through', async t => {
  const browser = createBrowser(t, { ca: entra.caPem })
  for (const path of ['/x', '/.auth/login', '/.auth/me', '/.auth/logout/done', '/public/x', '/.auth/callback?code=x&state=y']) await browser.visit(`${url}${path}`)
  t.notOk(browser.received.some(line => /^scopegate=[^;]/.test(line)))
})

t.test('C4.12 whoever signs in at a browser of somebody else has nothing of theirs', async t => {
  const { browser, cookie } = await signIn(t, { url, entra, at: '/public/x' })
  await browser.visit(`${(await reachCallback(browser, url, { user: 'bob@contoso.example' })).href}`)
  const second = `scopegate=${browser.cookies(url).get('scopegate')}`
  t.equal((await exchange(t, port, { target: '/x', cookie: second })).json().headers['x-forwarded-preferred-username'], 'bob@contoso.example')
  t.notOk(await isSession(cookie))
})

t.test('C4.2 a cookie is worth nothing after the sign-out', async t => {
  const { browser, cookie } = await signIn(t, { url, entra, at: '/public/x' })
  t.ok(await isSession(cookie))
  t.equal((await browser.visit(`${url}/.auth/logout`)).status, 303)
  t.equal(browser.cookies(url).get('scopegate'), undefined, 'the browser has none any more')
  t.notOk(await isSession(cookie), 'nor does whoever kept it')
})

t.test('C4.2 requests under way during the sign-out do not bring the session back', async t => {
  const { browser, cookie } = await signIn(t, { url, entra, at: '/public/x' })
  const racing = Array.from({ length: 40 }, async () => await exchange(t, port, { target: '/x', cookie }))
  await Promise.all([browser.visit(`${url}/.auth/logout`), ...racing])
  t.notOk(await isSession(cookie))
})

t.test('CVE-2024-35220, C4.2 idle and absolute ends hold, on their own gateway', async t => {
  const own = await startGateway(t, parts)
  const first = (await signIn(t, { url: own.url, entra, at: '/public/x' })).cookie
  own.clock.advance(590)
  t.ok(await isSession(first, own.port), 'use moves the idle end')
  own.clock.advance(590)
  t.ok(await isSession(first, own.port), 'again')
  own.clock.advance(330)
  t.notOk(await isSession(first, own.port), 'but not the absolute end')

  const second = await startGateway(t, parts)
  const idle = (await signIn(t, { url: second.url, entra, at: '/public/x' })).cookie
  second.clock.advance(601)
  t.notOk(await isSession(idle, second.port), 'idle for too long')
})

t.test('C4.9 asking who is signed in does not keep a session alive, nor does a refused request', async t => {
  const own = await startGateway(t, parts)
  const { cookie } = await signIn(t, { url: own.url, entra, at: '/public/x' })
  own.clock.advance(400)
  t.equal((await exchange(t, own.port, { target: '/.auth/me', cookie })).status, 200)
  t.equal((await exchange(t, own.port, { target: '/public/x', cookie })).status, 200)
  t.equal((await exchange(t, own.port, { target: '/a//b', cookie })).status, 400)
  own.clock.advance(250)
  t.notOk(await isSession(cookie, own.port))
})

t.test('C4.4 a cookie that was changed in any way is nobody\'s, with the same answer', async t => {
  const { cookie } = await signIn(t, { url, entra, at: '/public/x' })
  const value = cookie.slice('scopegate='.length)
  const [kid, id, signature] = value.split('.') as [string, string, string]
  const flipped = Array.from({ length: value.length }, (_, i) => {
    const digit = value[i] === 'A' ? 'B' : 'A'
    return value.slice(0, i) + digit + value.slice(i + 1)
  })
  const header = (text: object): string => Buffer.from(JSON.stringify(text)).toString('base64url')
  const forged = [
    ...flipped, value.slice(0, -1), value.slice(1), `${value}A`, `${value}.A`, `A${value}`, '', '.', '..', `${id}.${signature}`, `${kid}.${id}`, `${kid}.${id}.`, `${kid}..${signature}`, `.${id}.${signature}`, `${kid}.${signature}.${id}`,
    ...['../../x', '__proto__', 'constructor', 'toString', '0', '', 'GENERATED', 'generated%00', 'x'.repeat(500)].map(name => `${name}.${id}.${signature}`),
    ...[{ alg: 'none' }, { alg: 'dir', enc: 'A128CBC-HS256', kid }, { alg: 'PBES2-HS256+A128KW', enc: 'A256GCM', p2c: 2 ** 31, p2s: 'x', kid }, { alg: 'dir', enc: 'A256GCM', zip: 'DEF', kid }].map(one => `${header(one)}..${id}.${id}.${signature}`),
    `${header({ alg: 'none' })}.${header({ sub: 'alice' })}.`, value.repeat(3), 'undefined', 'null', '[object Object]'
  ]
  const wanted = await exchange(t, port, { target: '/.auth/me' })
  const before = app.seen.length
  for (const one of forged) {
    const page = await exchange(t, port, { target: '/x', cookie: `scopegate=${one}` })
    const me = await exchange(t, port, { target: '/.auth/me', cookie: `scopegate=${one}` })
    if (page.status !== 401 || me.status !== 401 || !me.body.equals(wanted.body)) t.fail(`${one.slice(0, 60)}: ${page.status}, ${me.status}`)
  }
  t.ok(forged.length > 100)
  t.equal(app.seen.length, before)
  t.ok(await isSession(cookie), 'the true one is still good')
})

t.test('C4.4 a changed sign-in cookie does not finish a sign-in', async t => {
  const changes: Array<(value: string) => string> = [value => value.slice(0, -2) + (value.endsWith('AA') ? 'BB' : 'AA'), value => `${value}A`, value => value.slice(1), value => value.split('.').reverse().join('.'), () => '', () => 'x', value => value.split('.').slice(0, 2).join('.')]
  for (const change of changes) {
    const browser = createBrowser(t, { ca: entra.caPem })
    const callback = await reachCallback(browser, url)
    const [name, value] = [...browser.cookies(url)].find(([one]) => one.startsWith('scopegate.t.'))!
    browser.setCookie(url, name, change(value))
    const answer = await browser.visit(callback.href)
    t.equal(answer.status, 400)
    t.equal(browser.cookies(url).get('scopegate'), undefined)
  }
})

t.test('what was sealed for one purpose is nothing for another', async t => {
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  await browser.visit(`${url}/.auth/login`)
  const sealed = [...browser.cookies(url)].find(([name]) => name.startsWith('scopegate.t.'))![1]
  t.notOk(await isSession(`scopegate=${sealed}`))
  const login = await exchange(t, port, { target: `/.auth/login?need=${sealed}`, cookie: `scopegate.r=${sealed}` })
  const plain = await exchange(t, port, { target: '/.auth/login' })
  const asked = [login, plain].map(answer => new URL(answer.header('location')!).searchParams)
  for (const name of ['claims', 'scope']) t.equal(asked[0]!.get(name), asked[1]!.get(name), `it is not taken for a need of other ${name} either`)
})

t.test('C4.5 what another deployment made with the same key is nothing here', async t => {
  const keys = [{ id: 'shared', key: randomBytes(32).toString('base64url') }]
  const [here, there] = [await startGateway(t, { ...parts, keys }), await startGateway(t, { ...parts, keys })]
  const { browser, cookie } = await signIn(t, { url: there.url, entra, at: '/public/x' })
  t.ok(await isSession(cookie, there.port))
  t.notOk(await isSession(cookie, here.port), 'a session')
  // A pending sign-in is all in its cookie: no store could tell the two apart.
  const { pathname, search } = await reachCallback(browser, there.url)
  const [name, value] = [...browser.cookies(there.url)].find(([one]) => one.startsWith('scopegate.t.'))!
  const calls = entra.requests().length
  const refused = await exchange(t, here.port, { target: pathname + search, cookie: `${name}=${value}` })
  t.equal(refused.header('scopegate-error'), 'SG_SIGN_IN_MISMATCH', 'a pending sign-in')
  t.equal(entra.requests().length, calls)
  t.equal((await exchange(t, there.port, { target: pathname + search, cookie: `${name}=${value}` })).status, 303, 'which is good where it was made')
})
