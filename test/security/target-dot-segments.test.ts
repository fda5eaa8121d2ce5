/**
 * X2: the stock proxy refused `..` but let `/./admin` and `/%2e/admin` through a public catch-all: they were routed as one
 * path, and resolved to another behind it. Same class: CVE-2025-66415 (reply-from), GHSA-7hrw-592w-9wh2 (http-proxy).
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/admin/*', upstream: 'app', allow: { roles: ['Orders.Admin'] } },
    { path: '/*', upstream: 'app', access: 'public' }
  ]
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/start' })

const cases: Record<string, readonly string[]> = {
  'X2, CVE-2026-33494, C1.1 plain dot segments are refused': [
    '/./admin', '/./admin/x', '/public/./../admin', '/public/../admin', '/admin/.', '/admin/..', '/.', '/..', '/public/..', '/public/./x', '/x/../../admin'
  ],
  'C1.1 segments of more dots, which some file systems read as two, are refused': ['/public/.../admin', '/public/..../admin', '/public/...'],
  'X2, CVE-2025-66415, CVE-2026-33494, C1.2 encoded dot segments are refused': [
    '/%2e/admin', '/%2E/admin', '/public/%2e%2e/admin', '/public/%2E%2E/admin', '/public/.%2e/admin', '/public/%2e./admin', '/admin/%2e', '/%2e%2e/admin'
  ],
  'C1.2 doubly encoded dot segments are refused': [
    '/%252e/admin', '/public/%252e%252e/admin', '/public/.%252e/admin', '/public/%25%32%65%25%32%65/admin', '/public/%25252e%25252e/admin'
  ],
  'CVE-2025-66415, CVE-2026-33494, C1.3 dot segments beside an encoded slash are refused': [
    '/public/..%2fadmin', '/public%2f..%2fadmin', '/public/%2e%2e%2fadmin', '/public/x%2f..%2f..%2fadmin', '/public/..%252fadmin'
  ],
  'C1.4 dot segments beside a backslash are refused': [
    '/public/..%5cadmin', '/public/..\\admin', '/public/..\\..\\admin', '/public/%5c..', '/public\\..\\admin', '/public/%2e%2e%5cadmin'
  ],
  'CVE-2026-15573, C1.8 dot segments with path parameters are refused': [
    '/public/..;/admin', '/public/..;x=1/admin', '/public/..%3b/admin', '/public/.;/admin', '/public/%2e%2e;a/admin'
  ],
  'C1.16 dot segments behind a probe path are refused': ['/livez/../admin', '/readyz/./../admin', '/healthz/%2e%2e/admin']
}

for (const [name, targets] of Object.entries(cases)) {
  t.test(name, async t => {
    for (const target of targets) {
      for (const sent of [undefined, cookie]) {
        const before = app.seen.length
        const answer = await exchange(t, gateway.port, { target, ...(sent === undefined ? {} : { cookie: sent }) })
        const who = sent === undefined ? 'anonymous' : 'signed in'
        t.equal(answer.status, 400, `${target} ${who}`)
        t.equal(answer.header('scopegate-error'), 'SG_TARGET_INVALID', `${target} ${who} has the code`)
        t.equal(app.seen.length, before, `${target} ${who} does not reach the upstream`)
      }
    }
  })
}

t.test('the same pages are reached by their plain paths', async t => {
  t.equal((await exchange(t, gateway.port, { target: '/public/x' })).status, 200)
  t.equal((await exchange(t, gateway.port, { target: '/admin/x' })).status, 401)
  const answer = await exchange(t, gateway.port, { target: '/admin/x', cookie })
  t.equal(answer.status, 200)
  t.equal(answer.json().url, '/admin/x')
})

t.test('dots that are no segment of their own pass', async t => {
  for (const target of ['/public/.well-known/x', '/public/a.b', '/public/..a', '/public/a..', '/public/..a/.b', '/public/x?a=/../admin']) {
    const answer = await exchange(t, gateway.port, { target })
    t.equal(answer.status, 200, target)
    t.equal(answer.json().url, target)
  }
})
