/**
 * This file looks at what an upstream that gets tokens can do with its answers: refuse a token, find it too long, or point
 * elsewhere. None of that makes the gateway send a token once more, or to anybody else.
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const elsewhere = await startUpstream(t)
const api = await startUpstream(t, {
  answer: (request, response) => {
    const [, kind = ''] = /^\/api\/(\w+)/.exec(request.url ?? '') ?? []
    if (kind === 'plain401') response.writeHead(401).end('no')
    else if (kind === 'bearer401') response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token", realm="x"' }).end('no')
    else if (kind === 'basic401') response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end('no')
    else response.writeHead(Number(kind.slice(1)), { Location: `${elsewhere.origin}/taken` }).end('moved')
  }
})
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: {
    api: { url: api.origin, scopes: ['api://orders/Orders.Read'] },
    elsewhere: { url: elsewhere.origin, scopes: ['api://reports/Reports.Read'] }
  },
  routes: [
    { path: '/api/*', upstream: 'api' },
    { path: '/elsewhere/*', upstream: 'elsewhere' },
    { path: '/public/*', upstream: 'elsewhere', access: 'public', token: 'none' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read', 'api://reports/Reports.Read'] }
})
const { port } = gateway
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })
const tokenCalls = (): number => entra.requests().filter(({ endpoint }) => endpoint === 'token').length

t.test('C6.6, C6.8 a 401 of an API passes, once: a new token is not renewed, and nothing sent again or signed out', async t => {
  for (const kind of ['plain401', 'bearer401', 'basic401']) {
    for (const request of [{ target: `/api/${kind}`, cookie }, { method: 'POST', target: `/api/${kind}`, cookie, fields: [['Sec-Fetch-Site', 'same-origin']] as const, body: 'x' }]) {
      const [before, calls] = [api.seen.length, tokenCalls()]
      const answer = await exchange(t, port, request)
      t.equal(answer.status, 401, kind)
      t.equal(answer.text(), 'no', 'with the body of the API')
      t.equal(answer.header('scopegate-error'), undefined, 'it is not ours')
      t.strictSame(answer.all('set-cookie'), [])
      t.equal(api.seen.length - before, 1)
      t.match(api.seen.at(-1)?.headers.authorization, /^Bearer eyJ/, 'the API had a token')
      t.equal(tokenCalls(), calls)
    }
  }
  t.equal((await exchange(t, port, { target: '/.auth/me', cookie })).status, 200)
})

t.test('C6.11 a redirect of an API to another server is the client\'s to follow, and that server gets nothing', async t => {
  for (const status of [301, 302, 303, 307, 308]) {
    const [seen, others] = [api.seen.length, elsewhere.seen.length]
    const answer = await exchange(t, port, { target: `/api/r${status}`, cookie })
    t.equal(answer.status, status)
    t.equal(answer.header('location'), `${elsewhere.origin}/taken`)
    t.equal(api.seen.length - seen, 1)
    t.equal(elsewhere.seen.length, others)
  }
})

t.test('C2.15 a token that is too long for its upstream: the upstream\'s 431 passes, once, and is in the log with its route', async t => {
  const long = 'x'.repeat(40 * 1024)
  entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, merge: { access_token: long } })
  const [seen, calls] = [elsewhere.seen.length, tokenCalls()]
  for (let i = 0; i < 3; i++) {
    const answer = await exchange(t, port, { target: '/elsewhere/x', cookie })
    t.equal(answer.status, 431)
    t.equal(answer.header('scopegate-error'), undefined, 'it is not ours')
    t.ok(answer.isComplete)
  }
  t.equal(elsewhere.seen.length, seen, 'the application behind never saw it')
  t.equal(tokenCalls(), calls + 1, 'the token is not asked for again')
  t.match(gateway.logged(), /"path":"\/elsewhere\/x"[^\n]*"status":431|"status":431[^\n]*"path":"\/elsewhere\/x"/)
  t.notMatch(gateway.logged(), 'xxxxxxxxxx')
  t.equal((await exchange(t, port, { target: '/public/x' })).status, 200, 'other requests to it go on')
})
