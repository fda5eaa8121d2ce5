/**
 * C2.6, C2.7, H5: what a client says about where it comes from counts only from proxies that are listed; what it says about
 * host and scheme never counts.
 */
import t, { type Test } from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'

const app = await startUpstream(t)
const entra = await startEntra(t)

async function start (t: Test, trustedProxies: readonly string[]) {
  return await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app' }],
    server: { trustedProxies }
  })
}

const untrusting = await start(t, ['10.0.0.0/8', '::2'])
const trusting = await start(t, ['10.0.0.0/8', '127.0.0.0/8'])

async function told (gateway: { port: number }, fields: ReadonlyArray<readonly [string, string]>) {
  return (await exchange(t, gateway.port, { target: '/public/x', fields })).json().headers
}

t.test('CVE-2026-16732, C2.6 an untrusted peer\'s X-Forwarded-For is replaced by its address', async t => {
  for (const value of ['1.2.3.4', '127.0.0.1', '10.0.0.1', '1.2.3.4, 10.0.0.1', '', 'evil', '::1', '"', '1.2.3.4:80']) {
    t.equal((await told(untrusting, [['X-Forwarded-For', value]]))['x-forwarded-for'], '127.0.0.1', value)
  }
  t.equal((await told(untrusting, [['X-Forwarded-For', '1.2.3.4'], ['x-forwarded-for', '5.6.7.8']]))['x-forwarded-for'], '127.0.0.1')
  t.equal((await told(untrusting, []))['x-forwarded-for'], '127.0.0.1')
})

t.test('C2.6 a trusted peer\'s X-Forwarded-For is continued', async t => {
  t.equal((await told(trusting, [['X-Forwarded-For', '1.2.3.4']]))['x-forwarded-for'], '1.2.3.4, 127.0.0.1')
  t.equal((await told(trusting, [['X-Forwarded-For', '1.2.3.4, 10.0.0.1']]))['x-forwarded-for'], '1.2.3.4, 10.0.0.1, 127.0.0.1')
  t.equal((await told(trusting, [['X-Forwarded-For', '1.2.3.4'], ['x-forwarded-for', '5.6.7.8']]))['x-forwarded-for'], '1.2.3.4, 5.6.7.8, 127.0.0.1')
  t.equal((await told(trusting, []))['x-forwarded-for'], '127.0.0.1')
})

t.test('other spellings do not count, from nobody', async t => {
  for (const gateway of [untrusting, trusting]) {
    for (const name of ['X_Forwarded_For', 'X-Forwarded_For', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP', 'Forwarded', 'X-Forwarded', 'Forwarded-For', 'X-Cluster-Client-IP', 'Client-IP']) {
      const headers = await told(gateway, [[name, '1.2.3.4']])
      t.equal(headers['x-forwarded-for'], '127.0.0.1', name)
    }
    for (const name of ['X_Forwarded_For', 'Forwarded', 'X-Forwarded_For']) {
      t.notOk(Object.hasOwn(await told(gateway, [[name, '1.2.3.4']]), name.toLowerCase()), `${name} is not forwarded`)
    }
  }
})

t.test('CVE-2026-33495, CVE-2026-3635, C2.7 host and scheme come from publicUrl, whoever says otherwise', async t => {
  const lies = [['X-Forwarded-Host', 'evil.example'], ['X-Forwarded-Proto', 'https'], ['X-Forwarded-Port', '1'], ['X-Forwarded-Prefix', '/evil'], ['Forwarded', 'host=evil.example;proto=https']] as const
  for (const gateway of [untrusting, trusting]) {
    const headers = await told(gateway, lies)
    t.equal(headers['x-forwarded-host'], new URL(gateway.url).host)
    t.equal(headers['x-forwarded-proto'], 'http')
    t.notMatch(JSON.stringify(headers), /evil/)
    const login = await exchange(t, gateway.port, { target: '/.auth/login', fields: lies })
    const location = new URL(login.header('location') ?? '')
    t.equal(location.searchParams.get('redirect_uri'), `${gateway.url}/.auth/callback`)
    t.ok(login.all('set-cookie').every(line => !/;\s*secure/i.test(line)), 'the cookie flags follow publicUrl')
    const page = await exchange(t, gateway.port, { target: '/x', fields: [...lies, ['Accept', 'text/html']] })
    t.match(page.header('location'), /^\/\.auth\/login\?/)
    const problem = await exchange(t, gateway.port, { target: '/x', fields: lies })
    t.match(problem.json().loginUrl, /^\/\.auth\/login\?/)
    t.notMatch(problem.text(), /evil/)
  }
})

t.test('C2.7 Host does not change where the provider sends the browser back to', async t => {
  for (const host of ['127.0.0.1', 'LOCALHOST:9', '[::1]']) {
    const login = await exchange(t, untrusting.port, { target: '/.auth/login', host })
    t.equal(new URL(login.header('location') ?? '').searchParams.get('redirect_uri'), `${untrusting.url}/.auth/callback`, host)
  }
})
