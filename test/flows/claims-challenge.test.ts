/**
 * This file checks what becomes of an answer that asks for other claims in the token: a new token and the request once more,
 * a sign-in, or the end of it; and which answers are none of that and pass.
 */
import t, { type Test } from 'tap'
import type { Emulator } from '../../emulator/start.ts'
import { readClaimsChallenge } from '../../src/proxy/challenge.ts'
import { type Browser, createBrowser, type Reply } from '../support/browser.ts'
import { challengeFor, contextClaims, contextsOf, startChallenger } from '../support/challenges.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, exchange } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { eventually, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const scopes = ['api://orders/Orders.Read']

/**
 * A gateway before two APIs that challenge: the emulator's, and one that does what its path says. Alice's sign-in satisfied the
 * context `c2`; her access token was not asked for it.
 */
async function start (t: Test) {
  const entra = await startEntra(t)
  const app = await startChallenger(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: {
      app: { url: app.origin, scopes },
      api: { url: `${entra.origin}/demo-api`, scopes, caFile: entra.caFile }
    },
    routes: [
      { path: '/api/*', upstream: 'api' },
      { path: '/passed/*', upstream: 'app', rewrite: '/never', claimsChallenge: 'passthrough' },
      { path: '/strong/*', upstream: 'app', rewrite: '/token', requireAuthContext: 'c2' },
      { path: '/tokenless/*', upstream: 'app', rewrite: '/never', token: 'none' },
      { path: '/public/*', upstream: 'app', rewrite: '/never', access: 'public' },
      { path: '/optional/*', upstream: 'app', rewrite: '/never', access: 'optional' },
      { path: '/*', upstream: 'app' }
    ],
    entra: { initialScopes: scopes }
  })
  const signedIn = await signIn(t, { url: gateway.url, entra, at: '/strong/first' })
  const sent = (path: string): number => app.seen.filter(({ url }) => url === path).length
  return { entra, app, gateway, url: gateway.url, ...signedIn, sent, renewals: countRenewals(entra) }
}

/** Counts calls of the token endpoint from now on. */
function countRenewals (entra: Emulator): () => number {
  const renewed = (): number => entra.admin.requests().filter(({ parameters }) => parameters.grant_type === 'refresh_token').length
  const before = renewed()
  return () => renewed() - before
}

const isLoop = { status: 403, headers: { 'scopegate-error': 'SG_SIGN_IN_LOOP' } }

t.test('C6.7 a challenged request is sent once more with a token for the challenge, and only that answer is seen', async t => {
  const { url, browser, app, sent, renewals, gateway } = await start(t)
  const reply = await browser.fetch(`${url}/c2/1?a=b`, { headers: { 'x-mine': '1' } })
  t.equal(reply.status, 200)
  t.equal(reply.headers['www-authenticate'], undefined)
  t.same(contextsOf(reply.json()), ['c2'])
  t.equal(sent('/c2/1?a=b'), 2)
  const [first, second] = app.seen.slice(-2)
  t.not(first!.headers.authorization, second!.headers.authorization)
  t.same({ ...second!.headers, authorization: '' }, { ...first!.headers, authorization: '' }, 'nothing else differs')
  t.equal(renewals(), 1)

  t.equal((await browser.fetch(`${url}/c2/2`)).status, 200)
  t.equal(sent('/c2/2'), 1, 'the new token is the one in use')
  t.equal(renewals(), 1)
  t.ok(await eventually(() => /"event":"claims-challenge".*"route":"\/\*","outcome":"token"/.test(gateway.logged()), 5000))
})

t.test('C6.7 403 is a challenge too, and navigations and other methods are met alike', async t => {
  for (const status of ['401', '403']) {
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
      const { url, browser, sent } = await start(t)
      t.equal((await browser.fetch(`${url}/c2/${status}`, { method })).status, 200, method)
      t.equal(sent(`/c2/${status}`), 2)
    }
    const { url, browser } = await start(t)
    t.equal((await browser.visit(`${url}/c2/${status}`)).status, 200)
  }
})

t.test('a body of up to 64 KiB is sent once more, byte for byte', async t => {
  for (const length of [1, 65_536]) {
    const { url, browser, app, sent } = await start(t)
    const body = 'x'.repeat(length - 1) + 'y'
    const reply = await browser.fetch(`${url}/c2/1`, { method: 'POST', body })
    t.equal(reply.status, 200)
    t.equal(sent('/c2/1'), 2)
    t.ok(app.seen.slice(-2).every(seen => seen.body === body && seen.headers['content-length'] === String(length)))
  }
})

t.test('a client that waits for leave to send a body gets it, once', async t => {
  const { gateway, cookie, sent } = await start(t)
  const connection = await connectRaw(t, gateway.port)
  connection.send(`POST /c2/1 HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nSec-Fetch-Site: same-origin\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`)
  t.equal((await connection.answer())?.status, 100)
  t.equal(sent('/c2/1'), 0, 'the API gets the request with its body')
  connection.send('body')
  t.match(await connection.answer(), { status: 200, isComplete: true })
  t.equal(sent('/c2/1'), 2)
})

t.test('a longer body is sent once: whoever sent it is asked to sign in, or to send it again', async t => {
  const { url, browser, sent, renewals } = await start(t)
  const send = async (): Promise<Reply> => await browser.fetch(`${url}/c2/1`, { method: 'POST', body: 'x'.repeat(65_537) })
  const refused = await send()
  t.equal(refused.status, 401)
  t.match(refused.json(), { code: 'SG_SIGN_IN_REQUIRED', reason: 'interaction_required', loginUrl: /^\/\.auth\/login\?.*need=/ })
  t.equal(sent('/c2/1'), 1)
  t.equal((await send()).status, 200, 'the token is there already')
  t.equal(sent('/c2/1'), 2)
  t.equal(renewals(), 1)
})

t.test('C5.17 another factor: a navigation goes through the sign-in and is back at its page, with a token that has it', async t => {
  const { url, browser, entra } = await start(t)
  const reply = await browser.go(`${url}/api/transfer?acrs=c1`)
  t.equal(reply.status, 200)
  t.equal(reply.url, `${url}/api/transfer?acrs=c1`)
  t.same(reply.json().acrs, ['c1'])
  const asked = entra.admin.requests().filter(({ endpoint }) => endpoint === 'authorize').at(-1)!
  const acrs = { essential: true, value: 'c1' }
  t.match(JSON.parse(asked.parameters.claims!), { access_token: { acrs }, id_token: { acrs } }, 'for the API, and for the session')
})

t.test('C5.17 a script is told to sign in, why, and is served after it', async t => {
  const { url, browser } = await start(t)
  const send = async (): Promise<Reply> => await browser.fetch(`${url}/api/transfer?acrs=c1`, {
    method: 'POST', body: '{}', headers: { referer: `${url}/token/page`, 'content-type': 'application/json' }
  })
  const refused = await send()
  t.equal(refused.status, 401)
  t.match(refused.headers['www-authenticate'], /^Bearer realm="scopegate", reason="interaction_required"/)
  const { loginUrl, reason } = refused.json()
  t.equal(reason, 'interaction_required')
  t.match(await browser.go(url + loginUrl), { status: 200, url: `${url}/token/page` })
  const served = await send()
  t.equal(served.status, 200)
  t.same(served.json().acrs, ['c1'])
})

t.test('C5.22 a session gets no token from what another one of the user was stepped up for: it is asked to sign in itself', async t => {
  const { url, browser: weak, entra, renewals } = await start(t)
  const { browser: strong } = await signIn(t, { url, entra, at: '/token/first' })
  const transfer = `${url}/api/transfer?acrs=c1`
  t.same((await strong.go(transfer)).json().acrs, ['c1'])
  t.match(await weak.fetch(transfer), { status: 401, headers: { 'scopegate-error': 'SG_SIGN_IN_REQUIRED' } })
  t.equal(renewals(), 0, 'the provider was not asked, which would have given one')
  const served = await weak.go(transfer)
  t.equal(served.url, transfer)
  t.same(served.json().acrs, ['c1'])
})

t.test('C5.23 a sign-in for a challenge that does not bring the context is refused, and the session goes on', async t => {
  const { url, browser, entra } = await start(t)
  entra.admin.fault({ endpoint: 'token', idToken: { claims: { acrs: null } } })
  t.match(await browser.go(`${url}/api/transfer?acrs=c1`), { status: 403, headers: { 'scopegate-error': 'SG_SIGN_IN_REFUSED' } })
  t.equal((await browser.fetch(`${url}/token/1`)).status, 200)
})

t.test('the longest claims that are taken go through a sign-in', async t => {
  const { entra } = await start(t)
  const isTaken = (claims: string): boolean => readClaimsChallenge(['WWW-Authenticate', challengeFor(claims)].map(text => Buffer.from(text))) !== undefined
  const longer = (count: number): string =>
    JSON.stringify({ access_token: { acrs: { essential: true, value: 'c1' }, x: { values: Array(count).fill('"\u00e4') } } })
  const claims = Array.from({ length: 500 }, (_, count) => longer(count)).findLast(isTaken)!
  t.ok(Buffer.byteLength(claims) > 1000)
  const app = await startUpstream(t, {
    answer: (request, response) => {
      if (contextsOf(request).includes('c1')) response.end('served')
      else response.writeHead(401, { 'www-authenticate': challengeFor(claims) }).end()
    }
  })
  const { url } = await startGateway(t, {
    emulator: entra, upstreams: { app: { url: app.origin, scopes } }, routes: [{ path: '/*', upstream: 'app' }], entra: { initialScopes: scopes }
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'bob@contoso.example' })
  t.match(await browser.go(`${url}/${'long/'.repeat(200)}`), { status: 200, body: 'served' })
  t.ok(browser.received.every(line => line.length <= 4096), 'in cookies that browsers keep')
})

t.test('C6.7 a challenge that comes again after a token for it ends there', async t => {
  const { url, browser, sent, renewals } = await start(t)
  t.match(await browser.fetch(`${url}/never/1`), isLoop)
  t.equal(sent('/never/1'), 2)
  t.match(await browser.fetch(`${url}/never/2`, { method: 'POST', body: 'x' }), isLoop)
  t.equal(sent('/never/2'), 1)
  const page = await browser.visit(`${url}/never/3`)
  t.match(page, isLoop)
  t.match(page.headers['content-type'], /html/)
  t.equal(renewals(), 1)
  t.equal((await browser.fetch(`${url}/token/1`)).status, 200, 'everything else works')
})

t.test('C6.7 a challenge that comes again after a sign-in for it ends there', async t => {
  const { url, browser, sent, gateway } = await start(t)
  const send = async (): Promise<Reply> => await browser.fetch(`${url}/never/1`, { method: 'POST', body: 'x'.repeat(100_000) })
  const refused = await send()
  t.equal(refused.status, 401)
  await browser.go(url + refused.json().loginUrl)
  t.match(await send(), isLoop)
  t.equal(sent('/never/1'), 2)
  gateway.clock.advance(301)
  t.equal((await send()).status, 401, 'later another sign-in may help')
})

t.test('a token for a challenge is asked for anew when it has been in use for a while', async t => {
  const { url, browser, renewals, gateway } = await start(t)
  await browser.fetch(`${url}/never/1`)
  gateway.clock.advance(301)
  t.match(await browser.fetch(`${url}/never/1`), isLoop)
  t.equal(renewals(), 2)
})

t.test('C6.7 an API that wants something else each time gets one token a request, and no more than ten in a row', async t => {
  const { url, browser, sent, renewals, gateway } = await start(t)
  const first = await browser.fetch(`${url}/changing/1`)
  t.match(first, { status: 401, body: 'refused changing' }, 'the second answer passes')
  t.match(first.headers['www-authenticate'], /insufficient_claims/)
  t.equal(sent('/changing/1'), 2)
  for (let i = 0; i < 9; i++) await browser.fetch(`${url}/changing/1`)
  t.equal(renewals(), 10)
  t.match(await browser.fetch(`${url}/changing/2`), isLoop)
  t.equal(sent('/changing/2'), 1)
  t.equal(renewals(), 10)
  gateway.clock.advance(61)
  t.equal((await browser.fetch(`${url}/changing/2`)).status, 401)
})

t.test('many requests that are challenged at once cause one renewal', async t => {
  const { url, browser, app, renewals } = await start(t)
  const replies = await Promise.all(Array.from({ length: 20 }, async (_, i) => await browser.fetch(`${url}/c2/${1000 + i}`)))
  t.same(replies.map(({ status }) => status), Array(20).fill(200))
  t.equal(renewals(), 1)
  t.ok(app.seen.filter(({ url }) => url.startsWith('/c2/')).length <= 40)
})

t.test('a challenge that comes before the body was sent ends the upload with the address of the sign-in', async t => {
  const { entra } = await start(t)
  const app = await startRawUpstream(t, (socket, head) => {
    const isUpload = head.startsWith('POST ')
    const fields = isUpload ? `401 Unauthorized\r\nWWW-Authenticate: ${challengeFor(contextClaims('c2'))}` : '200 OK'
    socket.write(`HTTP/1.1 ${fields}\r\nContent-Length: 0\r\n\r\n`)
  })
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes } },
    routes: [{ path: '/strong', upstream: 'app', requireAuthContext: 'c2' }, { path: '/*', upstream: 'app' }],
    entra: { initialScopes: scopes }
  })
  for (const length of ['Content-Length: 5000000', 'Transfer-Encoding: chunked']) {
    const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/strong' })
    const answer = await exchange(t, gateway.port, `POST /x HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\nSec-Fetch-Site: same-origin\r\n${length}\r\n\r\n5\r\nbegin`)
    t.equal(answer.status, 401, length)
    t.match(answer.json(), { reason: 'interaction_required', loginUrl: /need=/ })
    t.equal(answer.header('connection'), 'close')
  }
})

t.test('C6.7 where the route says so, and without a token of the user, a challenge passes as it is', async t => {
  const { url, browser, sent, renewals } = await start(t)
  for (const path of ['passed', 'tokenless', 'public']) {
    const before = sent('/never/1')
    const reply = await browser.fetch(`${url}/${path}/1`)
    t.match(reply, { status: 401, body: 'refused never' }, path)
    t.equal(reply.headers['www-authenticate'], challengeFor(contextClaims('c2')))
    t.equal(reply.headers['scopegate-error'], undefined)
    t.equal(sent('/never/1'), before + 1)
  }
  t.equal(renewals(), 0)
  t.match(await createBrowser(t).fetch(`${url}/optional/1`), { status: 401, body: 'refused never' }, 'a route that knows nobody')
})

t.test('C6.7, C6.8 what is no sound challenge passes as it is', async t => {
  const { entra } = await start(t)
  const encoded = Buffer.from(contextClaims('c2')).toString('base64')
  const challenges = [
    'Bearer error="invalid_token"', 'Bearer error="insufficient_claims"', 'Bearer error="insufficient_claims", claims="e30="',
    'Bearer error="insufficient_claims", claims="!!"', `Basic error="insufficient_claims", claims="${encoded}"`,
    `Bearer error="insufficient_claims", claims="${'A'.repeat(10_000)}"`,
    challengeFor('{"id_token":{"acrs":{"value":"c1"}}}'), challengeFor(JSON.stringify({ access_token: { a: 'x'.repeat(3000) } }))
  ]
  const app = await startUpstream(t, {
    answer: (_request, response, { url }) => {
      response.writeHead(401, { 'www-authenticate': challenges[Number(url.slice(1))]! }).end('as it is')
    }
  })
  const { url } = await startGateway(t, {
    emulator: entra, upstreams: { app: { url: app.origin, scopes } }, routes: [{ path: '/*', upstream: 'app' }], entra: { initialScopes: scopes }
  })
  const { browser } = await signIn(t, { url, entra, at: '/0' })
  const renewals = countRenewals(entra)
  const before = app.seen.length
  for (const [i, challenge] of challenges.entries()) {
    const reply = await browser.fetch(`${url}/${i}`)
    t.match(reply, { status: 401, body: 'as it is', headers: { 'www-authenticate': challenge } }, challenge.slice(0, 60))
  }
  t.equal(app.seen.length, before + challenges.length)
  t.equal(renewals(), 0)
})

t.test('C6.6 a 401 without a challenge passes, and the next request has another token', async t => {
  const { url, browser, sent, renewals, gateway } = await start(t)
  t.equal((await browser.fetch(`${url}/plain/1`)).status, 401)
  gateway.clock.advance(300)
  const passed = await browser.fetch(`${url}/plain/1`)
  t.match(passed, { status: 401, body: 'refused plain' })
  t.ok(await eventually(() => renewals() === 1, 5000))
  t.equal((await browser.fetch(`${url}/plain/1`)).status, 401)
  t.equal(sent('/plain/1'), 3)
  t.equal(renewals(), 1)
})

t.test('continuous access evaluation: a revoked token is replaced without the user, a revoked user has to sign in', async t => {
  const { url, browser, entra, renewals } = await start(t)
  t.equal((await browser.fetch(`${url}/api/orders`)).status, 200)
  entra.admin.challenge({ user: 'alice@contoso.example', api: 'api://orders' })
  const renewed = await browser.fetch(`${url}/api/orders`)
  t.equal(renewed.status, 200)
  t.equal(renewals(), 1)

  entra.admin.clock.advance(1)
  entra.admin.updateUser('alice@contoso.example', { revoke: true })
  const ended = await browser.fetch(`${url}/api/orders`)
  t.equal(ended.status, 401)
  t.equal(ended.json().reason, 'sign_in_required')
  t.equal((await browser.fetch(`${url}/token/1`)).status, 401, 'the session is over')
})

t.test('a provider that is down, or blocks the user, is told as such, and the session stays', async t => {
  const { url, browser, entra, gateway } = await start(t)
  entra.admin.fault({ endpoint: 'token', status: 503, headers: { 'retry-after': '7' } })
  t.match(await browser.fetch(`${url}/c2/1`), { status: 503, headers: { 'scopegate-error': 'SG_PROVIDER_UNAVAILABLE', 'retry-after': /^(?:[7-9]|1[01])$/ } })
  entra.admin.fault({ endpoint: 'token', aadsts: 53003 })
  gateway.clock.advance(12)
  t.match(await browser.fetch(`${url}/c2/1`), { status: 403, headers: { 'scopegate-error': 'SG_SIGN_IN_REFUSED' } })
  t.equal((await browser.fetch(`${url}/token/1`)).status, 200)
})

t.test('C10.6 a client that leaves while the token is renewed ends it: nothing is sent once more, and nothing stays counted', async t => {
  const { url, browser, entra, sent, renewals } = await start(t)
  entra.admin.fault({ endpoint: 'token', delayMs: 1000, times: 1 })
  const client = new AbortController()
  const left = fetch(`${url}/c2/1`, {
    headers: { cookie: [...browser.cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ') }, signal: client.signal
  }).catch(error => error.name)
  t.ok(await eventually(() => renewals() === 1, 5000))
  client.abort()
  t.equal(await left, 'AbortError')
  t.ok(await eventually(() => entra.requests().at(-1)?.status === 200, 5000), 'the renewal is over')
  await new Promise(resolve => { setTimeout(resolve, 300) })
  t.equal(sent('/c2/1'), 1)
})

t.test('C10.6 answers with challenges and endless bodies leave no connection and no place in the queue behind', async t => {
  const { entra } = await start(t)
  const endless = await startUpstream(t, {
    answer: (request, response) => {
      if (contextsOf(request).includes('c2')) response.end('ok')
      else response.writeHead(401, { 'www-authenticate': challengeFor(contextClaims('c2')) }).write('x'.repeat(500_000))
    }
  })
  const { url } = await startGateway(t, {
    emulator: entra, upstreams: { app: { url: endless.origin, scopes } }, routes: [{ path: '/*', upstream: 'app' }], entra: { initialScopes: scopes }
  })
  const people = await Promise.all(['alice', 'bob', 'carol'].map(async user => (await signIn(t, { url, entra, user: `${user}@contoso.example` })).browser))
  const get = async (browser: Browser): Promise<number> => (await browser.fetch(`${url}/x`)).status
  // More than an upstream takes at a time: whatever stayed behind would be in the way.
  for (let round = 0; round < 4; round++) {
    const statuses = await Promise.all(people.flatMap(browser => Array.from({ length: 40 }, async () => await get(browser))))
    t.ok(statuses.every(status => status === 200))
  }
  t.ok(await eventually(() => endless.inFlight() === 0, 5000))
})
