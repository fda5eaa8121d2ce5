/**
 * C6.10, K6: the program itself, at log level trace, with a store that goes away in between and an error at its end that
 * nobody catches. Both of its outputs are searched for whatever is secret, and for whom it served.
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { createBrowser } from '../support/browser.ts'
import { configOf, startEntra, tenant } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { folder, serving, writeConfig } from '../support/process.ts'
import { exchange } from '../support/raw.ts'
import { startRedis, until } from '../support/redis.ts'
import { reachCallback } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const password = randomBytes(24).toString('base64url')
const key = randomBytes(32).toString('base64')
const adminToken = randomBytes(32).toString('base64url')
const secrets = new Map([
  ['gw-secret', 'the client secret'], [password, 'the password of the store'], [key, 'a key of the ring'],
  [adminToken, 'the token of administrators'], ['canary-of-the-message', 'the message of an error']
])

const [entra, app, redis] = await Promise.all([startEntra(t), startUpstream(t), startRedis(t, { password })])
const [port, managementPort] = [await freePort(), await freePort()]
const url = `http://localhost:${port}`
const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
/** SIGUSR2 makes an error of which the message, its cause and a field are secret. */
const deed = `process.on('SIGUSR2', () => { setImmediate(() => {
  throw Object.assign(new TypeError('canary-of-the-message', { cause: new Error('canary-of-the-message') }), { body: 'canary-of-the-message' })
}) })`

const program = await startProgram()

async function startProgram () {
  const place = folder(t)
  const [module, tokenFile] = [join(place, 'deed.mjs'), join(place, 'token')]
  writeFileSync(module, deed)
  writeFileSync(tokenFile, adminToken)
  const file = writeConfig(t, configOf({
    emulator: entra,
    upstreams: {
      orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] },
      closed: { url: 'http://127.0.0.1:9', scopes: ['api://orders/Orders.Read'] }
    },
    routes: [{ path: '/orders/*', upstream: 'orders', identityHeaders: 'easyauth' }, { path: '/closed/*', upstream: 'closed' }],
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    server: { management: { port: managementPort, tokenFile }, limits: { drainSeconds: 1, drainDelaySeconds: 0 } },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}`, password } },
    keys: [{ id: 'k1', key }]
  }, port))
  return await serving(t, file, { LOG_LEVEL: 'trace', NODE_OPTIONS: `--import ${pathToFileURL(module).href}` })
}

function remember (what: string, value: string | null | undefined): void {
  if (value !== undefined && value !== null && value.length >= 8) secrets.set(value, what)
}

/** What the other sides know: the emulator's memory, what the upstream saw, what the browser got. */
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

const isReady = async (): Promise<boolean> => await fetch(`http://127.0.0.1:${managementPort}/readyz`).then(({ ok }) => ok, () => false)

/** Everything that goes through the store, good and bad. @returns the statuses */
async function doAll (): Promise<number[]> {
  const session = browser.cookies(url).get('scopegate') ?? ''
  const own = await Promise.all(['/orders/x?token=in-the-query', '/.auth/me?x=in-the-query', '/closed/x?token=in-the-query', '/.auth/login', '/.auth/callback?code=in-the-query&state=in-the-query'].map(
    async path => await browser.visit(`${url}${path}`)))
  const forged = await exchange(t, port, {
    target: '/orders/x?token=in-the-query', cookie: `scopegate=${session}x`, fields: [['Authorization', `Bearer ${session}`], ['Referer', `${url}/?code=${session}`]]
  }, { deadlineMs: 30_000 })
  const [sessions] = await Promise.all([`${tenant}/33333333-3333-4333-8333-333333333331`, 'alice@contoso.example'].map(async user =>
    await fetch(`http://127.0.0.1:${managementPort}/sessions?user=${user}`, { headers: { authorization: `Bearer ${adminToken}` } })))
  collect()
  return [...own, forged, sessions!].map(({ status }) => status)
}

async function signIn (): Promise<number> {
  const callback = await reachCallback(browser, url, { at: '/orders/1?token=in-the-query' })
  remember('a state', callback.searchParams.get('state'))
  remember('an authorization code', callback.searchParams.get('code'))
  const { status } = await browser.visit(callback.href)
  collect()
  return status
}

t.test('everything happens: with the store, without it, and with an error at the end', async t => {
  await until('a gateway that is ready', isReady)
  t.equal(await signIn(), 303)
  t.match(await doAll(), [200, 200])

  await t.test('the store stands still, then it is gone', async t => {
    const callback = await reachCallback(browser, url)
    remember('a state', callback.searchParams.get('state'))
    remember('an authorization code', callback.searchParams.get('code'))
    redis.stop()
    await until('a gateway that misses it', async () => !await isReady())
    t.ok((await browser.visit(callback.href)).status >= 500)
    await doAll()
    await redis.kill()
    await doAll()
    t.ok((await browser.visit(`${url}/.auth/logout`)).status >= 300)
    await redis.restart()
    await until('a gateway that is ready again', isReady)
  })

  await t.test('the provider repeats what it was sent, then everything is well', async t => {
    for (const fault of [{ status: 500, body: 'gw-secret' }, { status: 400, body: { error: 'invalid_client', error_description: 'AADSTS7000215: gw-secret of alice@contoso.example' } }, { action: 'reset' }] as const) {
      entra.admin.fault({ endpoint: 'token', times: 3, ...fault })
      t.ok(await signIn() >= 400)
      entra.admin.clearFaults()
    }
    await until('a sign-in', async () => await signIn() === 303)
    t.match(await doAll(), [200, 200])
    t.equal((await browser.visit(`${url}/.auth/logout`)).status, 303)
  })

  program.child.kill('SIGUSR2')
  t.equal((await program.ended).code, 70)
})

t.test('what is searched for was found in the first place', async t => {
  const kinds = new Set(secrets.values())
  for (const kind of ['an authorization code', 'a refresh token', 'a state', 'a nonce', 'an access token', 'the cookie scopegate', 'the cookie scopegate.t']) t.ok(kinds.has(kind), kind)
  for (const event of ['listening', 'signed-in', 'store.down', 'store.up', 'sessions-listed', 'uncaught-error']) t.match(program.out(), `"event":"${event}"`)
})

t.test('C6.10 neither output has a secret, a query, or the user', async t => {
  for (const [output, text] of [['standard output', program.out()], ['standard error', program.err()]] as const) {
    for (const [value, what] of secrets) if (text.includes(value)) t.fail(`${what} is in ${output}: ${text.slice(Math.max(0, text.indexOf(value) - 200), text.indexOf(value))}`)
    t.notMatch(text, /eyJ[A-Za-z0-9_-]{10,}/, 'nor anything that looks like a token')
    t.notMatch(text, /in-the-query|code=|state=/, 'nor any query')
    t.notMatch(text, /alice|contoso/i, 'nor the user')
  }
  t.equal(program.err(), '', 'all is said in the log')
})
