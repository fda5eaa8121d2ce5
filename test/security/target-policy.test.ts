/**
 * X3: what is routed, authorised and forwarded is one string. A target is either refused, or decided as the rule of the
 * path it stands for; nothing of it reaches an upstream for somebody whom that rule does not let in.
 */
import t, { type Test } from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange, type RawRequest } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const other = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, other: { url: other.origin }, based: { url: `${app.origin}/a` }, longer: { url: `${other.origin}/a/b` } },
  routes: [
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/admin/*', upstream: 'app', allow: { roles: ['Orders.Admin'] } },
    { path: '/api/a/*', upstream: 'other' },
    { path: '/files/*', upstream: 'app', access: 'public', allowEncodedSlash: true },
    { path: '/files/secret/*', upstream: 'app', allow: { roles: ['Orders.Admin'] }, allowEncodedSlash: true },
    { path: '/based/*', upstream: 'based', access: 'public', rewrite: '/b' },
    { path: '/longer/*', upstream: 'longer', access: 'public', rewrite: '/' },
    { path: '/*', upstream: 'app' }
  ]
})
/** Has the role that `/admin/*` asks for. */
const admin = (await signIn(t, { url: gateway.url, entra, user: 'alice@contoso.example', at: '/public/start' })).cookie
/** Is signed in, and no more. */
const user = (await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example', at: '/public/start' })).cookie

/**
 * refused: 400 or 404 for everybody. admin: the rule of `/admin/*`. protected: the rule of `/*`. safe: whichever of these,
 * as long as nobody anonymous reaches the upstream.
 */
type Verdict = 'refused' | 'admin' | 'protected' | 'safe'

interface Row {
  readonly target: string
  readonly verdict: Verdict
  /** The bytes that the upstream gets. */
  readonly forwarded: string
}

const refused = (...targets: string[]): Row[] => targets.map(target => ({ target, verdict: 'refused', forwarded: '' }))
const row = (verdict: Verdict, target: string, forwarded = target): Row => ({ target, verdict, forwarded })

const cases: Record<string, readonly Row[]> = {
  'X3, C1.4 backslashes are refused': refused('/\\admin', '/admin\\x', '/admin%5cx', '/admin%5Cx', '/%5cadmin', '/public\\admin', '/public/x%5c'),
  'C1.5 targets with a foreign or hidden authority are refused': refused(
    '//evil.example/x', '/\\evil.example', 'http://evil@localhost/admin', 'http://localhost@evil.example/public/x', 'http:///admin',
    'http:/admin', 'http:admin', 'ftp://localhost/public/x', 'javascript:alert(1)', 'localhost/public/x', 'public/x', '?x=/public/x', '*',
    '///public/x', '/public//x', '/public/x//', 'http://localhost//public/x', 'http://localhost/public/../admin', 'http://localhost#/public/x'),
  'X3, C1.6 encoded slashes are refused': refused('/admin%2fsecret', '/admin%2Fsecret', '/%2fadmin', '/admin/%2f', '/public%2fx', '/public/%2fadmin', '/public/x%2f'),
  'C1.6 encoded slashes get the rule of the decoded path': [
    row('safe', '/files/secret%2fx'), row('safe', '/files%2fsecret%2fx'), row('safe', '/files%2fsecret/x'), ...refused('/files/%2fsecret/x', '/files/x%2f..%2fsecret/x')
  ],
  'C1.7 another letter case gets the stricter rule': [
    row('admin', '/ADMIN'), row('admin', '/Admin/x'), row('admin', '/aDMIN/x'), row('admin', '/%41dmin/x', '/Admin/x'),
    row('protected', '/PUBLIC/x'), row('protected', '/Public/x'), row('protected', '/public'.toUpperCase()), row('admin', '/FILES/SECRET/x')
  ],
  'X3, C1.8 what is appended to a path does not open it': [
    row('admin', '/admin'), row('admin', '/admin/'), row('admin', '/admin/x'), row('safe', '/admin%20'), row('safe', '/admin.'), row('safe', '/admin.json'), row('safe', '/admin~'),
    ...refused('/admin%00', '/admin%09', '/admin%0a', '/admin%0d%0a', '/admin%7f', '/admin;', '/admin;x=1', '/admin;/x', '/admin%3b', '/admin%3Bx', '/admin/;x', '/admin//', '/admin%', '/admin%2', '/admin%zz')
  ],
  'C1.9 needless escapes are read before the rule is chosen': [
    row('admin', '/%61dmin', '/admin'), row('admin', '/adm%69n', '/admin'), row('admin', '/%61%64%6d%69%6e/x', '/admin/x'), row('admin', '/admin/%78%2D%7e', '/admin/x-~'),
    row('admin', '/admin/%c3%a9', '/admin/%C3%A9'), row('admin', '/admin/a%20b', '/admin/a%20b'), row('admin', '/admin/"<>', '/admin/%22%3C%3E'), row('admin', '/admin/{x}|`^', '/admin/%7Bx%7D%7C%60%5E')
  ],
  'C1.9 what another decoding pass could turn into syntax is refused': refused(
    '/%2561dmin%2f', '/admin%252fx', '/public/%252e', '/public/%255cx', '/public/%2500', '/public/%253b', '/public/%25u002e', '/public/%252525', '/public/%25%32%66'),
  'CVE-2026-41059, C1.10 fragments are refused': [...refused('/public#/../admin', '/admin#x', '/public/x#', '/#/admin', '/public?x#y'), row('safe', '/admin%23'), row('admin', '/admin/x%23', '/admin/x%23')],
  'CVE-2025-54576, C1.11 the query decides nothing': [
    row('admin', '/admin?x=/public'), row('admin', '/admin?/public/a.css'), row('admin', '/admin/x?..%2f..%2fpublic'), row('admin', '/admin?'), row('admin', '/admin/?a=%00&b=\\&c=;'), row('safe', '/admin%3f/public')
  ],
  'C1.16 there is no probe or metric endpoint on the public port': ['/livez', '/readyz', '/healthz', '/metrics', '/sessions'].map(target => row('protected', target)),
  'X3, C1.17 escapes that are not UTF-8 are refused': refused(
    '/public/%c0%ae%c0%ae/admin', '/public/%c0%af', '/public/%e0%80%af', '/public/%f0%80%80%af', '/public/%ed%a0%80', '/public/%ed%bf%bf', '/public/%ff', '/public/%80', '/public/%u002e', '/public/%U002E', '/admin%ff', '/public/%f4%90%80%80'),
  'C1.18 look-alikes of path syntax are refused': refused(
    '/public/%ef%bc%8e%ef%bc%8e/admin', '/public/%ef%bc%8fadmin', '/public/%ef%bc%bcadmin', '/public/%e2%80%a4%e2%80%a4/admin', '/public/%e2%80%a5/admin', '/public/%ef%b9%92%ef%b9%92/admin', '/public/%e2%88%95admin', '/public/%e2%81%84admin', '/public/%ef%bc%852e', '/public/%ef%bc%9bx', '/public/%c2%85'),
  'C1.18 dot segments with blanks that a file system trims are refused': refused('/public/..%20/admin', '/public/.%20/admin', '/public/..%20%20/admin', '/public/..%20'),
  'C1.18 look-alikes of letters are not folded into an open path': [
    row('safe', '/%ef%bd%81dmin'), row('safe', '/adm%c4%b1n'), row('safe', '/ad%c2%admin'), row('safe', '/admi%cc%81n'), row('safe', '/%ef%bd%90ublic/x'), row('safe', '/publ%c4%b1c/x'), row('safe', '/pu%c2%adblic/x'), row('safe', '/public%e2%80%8b/x')
  ],
  'C1.20 a prefix ends at a segment': [row('protected', '/publicx'), row('protected', '/public.x'), row('protected', '/public-x/y'), row('protected', '/administrator'), row('protected', '/api/abc')],
  'raw bytes outside of printable ASCII are refused': refused('/public/\u00e4', '/public/\u00ff', '/public/\t', '/public/\u0001', '/public/\u007f', '/public/x y', '/public/x?\u00e4')
}

let probes = 0

/** One request, and what the upstreams saw of it. */
async function probe (t: Test, request: RawRequest) {
  const mark = String(++probes)
  const answer = await exchange(t, gateway.port, { ...request, fields: [...request.fields ?? [], ['x-probe', mark]] })
  const seen = [...app.seen, ...other.seen].filter(({ headers }) => headers['x-probe'] === mark)
  return { status: answer.status, code: answer.header('scopegate-error'), isOwn: answer.header('scopegate') === '1', seen, answer }
}

async function checkRow (t: Test, { target, verdict, forwarded }: Row): Promise<void> {
  const nobody = await probe(t, { target })
  t.equal(nobody.seen.length, 0, `${target}: nobody anonymous reaches the upstream`)
  if (verdict === 'safe') {
    t.ok([400, 401, 404].includes(nobody.status), `${target}: ${nobody.status}`)
    return
  }
  if (verdict === 'refused') {
    t.ok([400, 404].includes(nobody.status), `${target}: ${nobody.status}`)
    const known = await probe(t, { target, cookie: admin })
    t.ok([400, 404].includes(known.status), `${target}, signed in: ${known.status}`)
    t.equal(known.seen.length, 0, `${target}: nor anybody signed in`)
    return
  }
  t.equal(nobody.status, 401, `${target} asks for a sign-in`)
  t.equal(nobody.code, 'SG_SIGN_IN_REQUIRED')
  const plain = await probe(t, { target, cookie: user })
  t.equal(plain.status, verdict === 'admin' ? 403 : 200, `${target} for a user without the role`)
  t.equal(plain.seen.length, verdict === 'admin' ? 0 : 1)
  const known = await probe(t, { target, cookie: admin })
  t.equal(known.status, 200, `${target} for a user with the role`)
  t.strictSame(known.seen.map(({ url }) => url), [forwarded], 'the upstream gets the canonical bytes')
}

for (const [name, rows] of Object.entries(cases)) {
  t.test(name, async t => {
    for (const one of rows) await checkRow(t, one)
  })
}

t.test('C1.5 an absolute target with a foreign authority is misdirected, with our own it is converted', async t => {
  const foreign = await probe(t, { target: 'http://evil.example/public/x' })
  t.equal(foreign.status, 421)
  t.equal(foreign.seen.length, 0)
  const own = await probe(t, { target: 'http://localhost/public/x?y', host: 'evil.example' })
  t.equal(own.status, 200, 'the authority of the target replaces Host')
  t.equal(own.seen[0]?.url, '/public/x?y')
  const bare = await probe(t, { target: `http://localhost:${gateway.port}` })
  t.equal(bare.status, 401, 'without a path it is the root')
})

t.test('C1.6 a route that allows encoded slashes gets them as they are', async t => {
  const { status, seen } = await probe(t, { target: '/files/a%2fb%5cc' })
  t.equal(status, 200)
  t.equal(seen[0]?.url, '/files/a%2Fb%5Cc')
})

t.test('CVE-2026-40575, C1.12 fields that claim another address neither open a path nor reach the upstream', async t => {
  const names = ['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri', 'X-Forwarded-Prefix', 'X-Forwarded-Path', 'X-Original-Uri', 'X-Original-Method', 'X_Original_URL', 'x-rewrite-uri', 'X-Forwarded-Method']
  for (const name of names) {
    const nobody = await probe(t, { target: '/admin/x', fields: [[name, '/public/x']] })
    t.equal(nobody.status, 401, name)
    t.equal(nobody.seen.length, 0)
    const known = await probe(t, { target: '/public/x', fields: [[name, '/admin/x']] })
    t.equal(known.status, 200)
    t.equal(known.seen[0]?.url, '/public/x')
    t.notOk(Object.hasOwn(known.seen[0]?.headers ?? {}, name.toLowerCase()), `${name} is not forwarded`)
  }
})

t.test('C1.13 fields and parameters that claim another method have no effect', async t => {
  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
    const { status, seen } = await probe(t, { target: '/admin/x?_method=OPTIONS', fields: [[name, 'OPTIONS']] })
    t.equal(status, 401, name)
    t.equal(seen.length, 0)
  }
})

t.test('C1.14 no method opens a path', async t => {
  for (const method of ['HEAD', 'OPTIONS', 'PROPFIND', 'SEARCH', 'REPORT', 'DELETE', 'PATCH', 'PUT', 'POST', 'MKCOL', 'LOCK']) {
    const { status, seen } = await probe(t, { method, target: '/admin/x', fields: [['Origin', 'http://evil.example'], ['Access-Control-Request-Method', 'GET']] })
    t.equal(status, 401, method)
    t.equal(seen.length, 0)
  }
  t.equal((await probe(t, { method: 'HEAD', target: '/admin/x', cookie: admin })).status, 200, 'HEAD is as GET')
  t.equal((await probe(t, { method: 'PROPFIND', target: '/admin/x', cookie: admin })).seen.length, 1, 'a listed method passes')
})

t.test('C1.14 methods that no route can list are refused', async t => {
  for (const method of ['TRACE', 'PURGE', 'LINK', 'M-SEARCH', 'SUBSCRIBE', 'BIND', 'ACL', 'QUERY', 'get', 'GETT', 'FOO', 'GET,POST']) {
    for (const cookie of [undefined, admin]) {
      const { status, seen } = await probe(t, { method, target: '/public/x', ...(cookie === undefined ? {} : { cookie }) })
      t.ok([400, 401, 404, 405, 501].includes(status), `${method}: ${status}`)
      t.equal(seen.length, 0)
    }
  }
})

t.test('C1.14 CONNECT is refused', async t => {
  const connection = await connectRaw(t, gateway.port)
  const before = app.seen.length
  connection.send(`CONNECT 127.0.0.1:${app.port} HTTP/1.1\r\nHost: localhost\r\n\r\nGET /admin/x HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  const answer = await connection.answer({ deadlineMs: 5000 })
  t.ok(answer === undefined || answer.status >= 400, 'no tunnel')
  t.ok(await connection.isClosedWithin(5000), 'the connection is closed')
  t.equal(app.seen.length, before)
})

t.test('CVE-2026-34457, C1.15 no user agent opens a path', async t => {
  for (const agent of ['kube-probe/1.30', 'GoogleHC/1.0', 'ELB-HealthChecker/2.0', 'AlwaysOn', 'HealthCheck/1.0']) {
    const { status, seen } = await probe(t, { target: '/admin/x', fields: [['User-Agent', agent]] })
    t.equal(status, 401, agent)
    t.equal(seen.length, 0)
  }
})

t.test('C1.20 a route gets its own prefix and nothing beside it', async t => {
  t.equal((await probe(t, { target: '/api/a', cookie: user })).seen[0]?.headers.host, `127.0.0.1:${other.port}`)
  t.equal((await probe(t, { target: '/api/a/x', cookie: user })).seen[0]?.headers.host, `127.0.0.1:${other.port}`)
  t.equal((await probe(t, { target: '/api/abc', cookie: user })).seen[0]?.headers.host, `127.0.0.1:${app.port}`)
})

t.test('GHSA-v574-6498-x57v, C1.21 upstreams whose addresses join to the same text keep apart', async t => {
  const based = await probe(t, { target: '/based/c' })
  t.equal(based.seen[0]?.url, '/a/b/c')
  t.equal(based.seen[0]?.headers.host, `127.0.0.1:${app.port}`)
  const longer = await probe(t, { target: '/longer/c' })
  t.equal(longer.seen[0]?.url, '/a/b/c')
  t.equal(longer.seen[0]?.headers.host, `127.0.0.1:${other.port}`)
})

t.test('whatever begins with our own prefix is answered here', async t => {
  for (const target of ['/.auth', '/.auth/', '/.auth/unknown', '/.auth/me/', '/.auth/login/', '/.AUTH/me', '/.Auth/login', '/.auth/ME', '/%2eauth/unknown', '/.%61uth/x', '/.auth/me/x', '/.auth/../admin', '/.auth%2fme', '/.auth;x/me']) {
    const { status, seen } = await probe(t, { target, cookie: admin })
    t.ok([400, 404].includes(status), `${target}: ${status}`)
    t.equal(seen.length, 0)
  }
  t.equal((await probe(t, { target: '/%2eauth/me', cookie: admin })).status, 200, 'a needless escape is read first')
})

t.test('limits refuse and never cut', async t => {
  const long = `/public/${'a'.repeat(9000)}`
  const { status, seen } = await probe(t, { target: long })
  t.equal(status, 414)
  t.equal(seen.length, 0)
  const allowed = `/public/${'a'.repeat(8000)}`
  t.equal((await probe(t, { target: allowed })).seen[0]?.url, allowed)
})

t.test('C1.11 a public path stays public whatever its query says', async t => {
  for (const target of ['/public?x=/admin', '/public/a.css?/admin', '/public?a=b&a=%00;\\']) {
    const { status, seen } = await probe(t, { target })
    t.equal(status, 200, target)
    t.equal(seen[0]?.url, target)
  }
})
