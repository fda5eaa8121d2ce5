/**
 * X1: the stock clients do not verify an upstream's certificate: a self-signed one of a wrong name got the bearer token.
 */
import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createAuthority, createSelfSigned, type Identity, keepPem } from '../support/certificates.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { exchange } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const authority = createAuthority()
const caFile = keepPem(t, authority.pem)
const yesterday = new Date(Date.now() - 3_600_000)
const tomorrow = new Date(Date.now() + 86_400_000)

interface Case {
  readonly identity: Identity
  /** Whether the upstream is configured with the private CA. */
  readonly trusted: boolean
  readonly maxVersion?: 'TLSv1.1'
}

const bad: Record<string, Case> = {
  selfsigned: { identity: createSelfSigned(['127.0.0.1']), trusted: false },
  selfsignedbesideca: { identity: createSelfSigned(['127.0.0.1']), trusted: true },
  unknownca: { identity: authority.issue(['127.0.0.1']), trusted: false },
  wrongname: { identity: authority.issue(['other.example']), trusted: true },
  wrongaddress: { identity: authority.issue(['127.0.0.2', 'localhost']), trusted: true },
  noname: { identity: authority.issue([]), trusted: true },
  expired: { identity: authority.issue(['127.0.0.1'], { notBefore: new Date(Date.now() - 10 * 86_400_000), notAfter: yesterday }), trusted: true },
  notyetvalid: { identity: authority.issue(['127.0.0.1'], { notBefore: tomorrow }), trusted: true },
  otherauthority: { identity: createAuthority().issue(['127.0.0.1']), trusted: true },
  oldversion: { identity: authority.issue(['127.0.0.1']), trusted: true, maxVersion: 'TLSv1.1' }
}

const entra = await startEntra(t)
const good = await startUpstream(t, { tls: authority.issue(['127.0.0.1']) })
const seen: Record<string, () => number> = {}
const upstreams: Record<string, unknown> = { good: { url: good.origin, caFile, scopes: ['api://orders/Orders.Read'] } }
for (const [name, one] of Object.entries(bad)) {
  const app = await startBad(t, one)
  seen[name] = () => app.seen.length
  upstreams[name] = { url: app.origin, scopes: ['api://orders/Orders.Read'], ...(one.trusted ? { caFile } : {}) }
}
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams,
  routes: Object.keys(upstreams).flatMap(name => [
    { path: `/${name}/*`, upstream: name },
    { path: `/public/${name}/*`, upstream: name, access: 'public' }
  ]),
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/good/x' })

async function startBad (t: Test, { identity, maxVersion }: Case) {
  return await startUpstream(t, {
    tls: { ...identity, ...(maxVersion === undefined ? {} : { minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' }) }
  })
}

t.test('an upstream of the private CA that was configured gets requests and token', async t => {
  const answer = await exchange(t, gateway.port, { target: '/good/x', cookie })
  t.equal(answer.status, 200)
  t.match(answer.json().headers.authorization, /^Bearer eyJ/)
  t.equal((await exchange(t, gateway.port, { target: '/public/good/x' })).status, 200)
})

for (const name of Object.keys(bad)) {
  t.test(`X1, C10.5 an upstream whose certificate is ${name} gets nothing`, async t => {
    for (const target of [`/${name}/x`, `/public/${name}/x`]) {
      for (const request of [{ target, cookie }, { method: 'POST', target, cookie, body: 'x', fields: [['Sec-Fetch-Site', 'same-origin']] as const }]) {
        const answer = await exchange(t, gateway.port, request)
        t.equal(answer.status, 502)
        t.equal(answer.header('scopegate-error'), 'SG_UPSTREAM_TLS')
        t.notMatch(answer.text(), /certificate|self|altname|expired|127\.0\.0\.1|openssl/i, 'the cause stays here')
      }
    }
    t.equal(seen[name]!(), 0, 'no request was sent')
  })
}

t.test('C10.5 an upstream that wants a certificate of its client gets no request', async t => {
  const { cert, key } = authority.issue(['127.0.0.1'])
  const port = await freePort()
  // Node's own server just closes; other programs say why, in an alert.
  const server = spawn('/usr/bin/openssl', [
    's_server', '-accept', `127.0.0.1:${port}`, '-cert', keepPem(t, cert), '-key', keepPem(t, key), '-CAfile', caFile, '-Verify', '1',
    '-verify_return_error', '-www'
  ], { stdio: 'ignore' })
  t.teardown(() => { server.kill('SIGKILL') })
  const closing = await startUpstream(t, { tls: { cert, key, requestCert: true, rejectUnauthorized: true, ca: authority.pem } })
  const other = await startGateway(t, {
    upstreams: { telling: { url: `https://127.0.0.1:${port}`, caFile }, closing: { url: closing.origin, caFile } },
    routes: [{ path: '/telling/*', upstream: 'telling', access: 'public' }, { path: '/closing/*', upstream: 'closing', access: 'public' }]
  })
  let told = await exchange(t, other.port, { target: '/telling/x' })
  for (let i = 0; i < 100 && told.header('scopegate-error') === 'SG_UPSTREAM_UNREACHABLE'; i++) {
    await delay(50)
    told = await exchange(t, other.port, { target: '/telling/x' })
  }
  t.equal(told.status, 502)
  t.equal(told.header('scopegate-error'), 'SG_UPSTREAM_TLS')
  t.equal((await exchange(t, other.port, { target: '/closing/x' })).status, 502)
  t.equal(closing.seen.length, 0)
})
