/**
 * C5.1-C5.3, C5.5, C5.6, C5.14, C5.18, C5.19, C4.15, C3.9: an answer of the provider counts once, for the browser that asked,
 * with everything it asked for. What is refused costs no token call.
 */
import t, { type Test } from 'tap'
import { type Browser, createBrowser } from '../support/browser.ts'
import { clientId, startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { reachCallback } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const parts = {
  emulator: entra,
  upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/*', upstream: 'app' }],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
}
const gateway = await startGateway(t, parts)
const { url } = gateway

function tokenCalls (): number {
  return entra.requests().filter(({ endpoint }) => endpoint === 'token').length
}

function sessionOf (browser: Browser): string | undefined {
  return browser.cookies(url).get('scopegate')
}

function newBrowser (t: Test): Browser {
  return createBrowser(t, { ca: entra.caPem })
}

/** Opens a callback that must be refused without a token call and without a session. */
async function refuse (t: Test, browser: Browser, callback: URL | string, { status = 400, code = /^SG_SIGN_IN_/ } = {}) {
  const calls = tokenCalls()
  const answer = await browser.visit(String(callback))
  t.equal(answer.status, status)
  t.match(answer.headers['scopegate-error'], code)
  t.equal(tokenCalls(), calls, 'no token call')
  t.equal(sessionOf(browser), undefined, 'no session')
  t.equal(answer.headers.location, undefined, 'no redirect: it ends on a page')
  return answer
}

t.test('the control: an answer that is in order signs in, with one token call', async t => {
  const browser = newBrowser(t)
  const callback = await reachCallback(browser, url, { at: '/orders?page=2' })
  const calls = tokenCalls()
  const answer = await browser.visit(callback.href)
  t.equal(answer.status, 303)
  t.equal(answer.headers.location, '/orders?page=2')
  t.equal(tokenCalls(), calls + 1)
  t.ok(sessionOf(browser))
})

t.test('C5.1 an answer without state, or with an unknown one, is refused', async t => {
  for (const state of [undefined, '', 'x', 'x'.repeat(43), '__proto__', '../../x', '%00']) {
    const browser = newBrowser(t)
    const callback = await reachCallback(browser, url)
    if (state === undefined) callback.searchParams.delete('state')
    else callback.searchParams.set('state', state)
    await refuse(t, browser, callback)
  }
})

t.test('C5.1 a state that differs in its last letter is refused', async t => {
  const browser = newBrowser(t)
  const callback = await reachCallback(browser, url)
  const state = callback.searchParams.get('state')!
  callback.searchParams.set('state', state.slice(0, -1) + (state.endsWith('A') ? 'B' : 'A'))
  await refuse(t, browser, callback)
})

t.test('C5.1, C4.15 an answer that another browser asked for is refused', async t => {
  const attacker = newBrowser(t)
  const callback = await reachCallback(attacker, url, { user: 'bob@contoso.example' })
  const victim = newBrowser(t)
  await refuse(t, victim, callback)
  const busy = newBrowser(t)
  await busy.visit(`${url}/.auth/login`)
  await refuse(t, busy, callback)
})

t.test('C5.1 an answer that comes after 601 seconds is refused, on its own gateway', async t => {
  const own = await startGateway(t, parts)
  const browser = newBrowser(t)
  const callback = await reachCallback(browser, own.url)
  own.clock.advance(601)
  const answer = await refuse(t, browser, callback)
  t.equal(answer.headers['scopegate-error'], 'SG_SIGN_IN_EXPIRED')
})

t.test('C5.5 an answer that was used is refused', async t => {
  const browser = newBrowser(t)
  const callback = await reachCallback(browser, url)
  t.equal((await browser.visit(callback.href)).status, 303)
  const session = sessionOf(browser)
  const calls = tokenCalls()
  const again = await browser.visit(callback.href)
  t.equal(again.status, 400)
  t.equal(tokenCalls(), calls)
  t.equal(sessionOf(browser), session, 'repeating it is harmless: the session stays')
})

t.test('C5.5 of several equal answers at once one signs in, with one token call', async t => {
  const browser = newBrowser(t)
  const callback = await reachCallback(browser, url)
  const calls = tokenCalls()
  const cookie = [...browser.cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ')
  const answers = await Promise.all(Array.from({ length: 10 }, async () =>
    await exchange(t, gateway.port, { target: callback.pathname + callback.search, cookie })))
  t.equal(tokenCalls(), calls + 1)
  t.equal(answers.filter(({ status }) => status === 303).length, 1)
  t.equal(answers.filter(({ status }) => status === 400).length, 9)
  t.equal(answers.flatMap(answer => answer.all('set-cookie')).filter(line => /^scopegate=[^;]/.test(line)).length, 1, 'one session')
})

t.test('mod_auth_openidc-2026-08-12, C5.2 repeated or contradictory parameters are refused', async t => {
  const changes: Array<(query: URLSearchParams) => void> = [
    query => { query.append('state', query.get('state')!) }, query => { query.append('state', 'x') }, query => { query.append('code', query.get('code')!) }, query => { query.append('code', 'x') },
    query => { query.append('error', 'access_denied') }, query => { query.append('error', 'x'); query.append('error', 'y') }, query => { query.delete('code'); query.append('error', 'x'); query.append('error', 'x') },
    query => { query.set('code', '') }, query => { query.append('code', '') }, query => { query.append('error', '') }
  ]
  for (const change of changes) {
    const browser = newBrowser(t)
    const callback = await reachCallback(browser, url)
    change(callback.searchParams)
    await refuse(t, browser, callback)
  }
})

t.test('C5.3 an answer without code is refused', async t => {
  const browser = newBrowser(t)
  const callback = await reachCallback(browser, url)
  callback.searchParams.delete('code')
  await refuse(t, browser, callback)
})

t.test('C5.3 an error of the provider ends on a page that quotes nothing of it', async t => {
  for (const error of ['access_denied', 'login_required', 'interaction_required', 'consent_required', 'server_error', 'temporarily_unavailable', 'invalid_request', '<script>alert(1)</script>', '__proto__']) {
    const browser = newBrowser(t)
    const callback = await reachCallback(browser, url)
    callback.searchParams.delete('code')
    callback.searchParams.set('error', error)
    callback.searchParams.set('error_description', '<script>alert(document.domain)</script> AADSTS65004')
    callback.searchParams.set('error_uri', 'https://evil.example/')
    const calls = tokenCalls()
    const page = await browser.visit(callback.href)
    t.ok(page.status >= 400, `${error}: ${page.status}`)
    t.equal(page.headers.location, undefined, 'no loop')
    t.match(page.headers['content-type'], /^text\/html/)
    t.notMatch(page.body, /<script|alert\(|AADSTS|evil\.example/)
    t.equal(tokenCalls(), calls)
    t.equal(sessionOf(browser), undefined)
    const again = await browser.visit(callback.href)
    t.equal(again.status, 400, 'an error, too, counts once')
  }
})

t.test('C5.3 nobody can end another\'s sign-in with an error', async t => {
  const victim = newBrowser(t)
  const callback = await reachCallback(victim, url)
  const attacker = newBrowser(t)
  await attacker.visit(`${url}/.auth/callback?error=access_denied&state=${callback.searchParams.get('state')}`)
  t.equal((await victim.visit(callback.href)).status, 303)
})

t.test('C5.6 a code of the victim in a sign-in of the attacker makes no session', async t => {
  const victim = newBrowser(t)
  const stolen = (await reachCallback(victim, url, { user: 'alice@contoso.example' })).searchParams.get('code')!
  const attacker = newBrowser(t)
  const callback = await reachCallback(attacker, url, { user: 'bob@contoso.example' })
  callback.searchParams.set('code', stolen)
  const answer = await attacker.visit(callback.href)
  t.ok(answer.status >= 400, String(answer.status))
  t.equal(sessionOf(attacker), undefined)
  t.notMatch(answer.body, /alice|AADSTS/)
})

t.test('C5.14 twenty tabs that finish in any order each succeed or end cleanly', async t => {
  const browser = newBrowser(t)
  const callbacks: URL[] = []
  for (let i = 0; i < 20; i++) {
    callbacks.push(await reachCallback(browser, url, { at: `/tab/${i}` }))
    const pending = [...browser.cookies(url)].filter(([name]) => name.startsWith('scopegate.t.'))
    t.ok(pending.length <= 5, `${pending.length} sign-ins are pending`)
    t.ok([...browser.cookies(url)].map(([name, value]) => `${name}=${value}; `).join('').length < 8192, 'the Cookie field stays small')
  }
  const order = callbacks.map((callback, i) => ({ callback, i })).sort((a, b) => (a.i * 7) % 20 - (b.i * 7) % 20)
  let finished = 0
  for (const { callback, i } of order) {
    const answer = await browser.visit(callback.href)
    t.ok([303, 400].includes(answer.status), `tab ${i}: ${answer.status}`)
    if (answer.status === 303) {
      finished++
      t.equal(answer.headers.location, `/tab/${i}`)
    }
  }
  t.equal(finished, 5, 'the five that were remembered')
  t.equal((await browser.fetch(`${url}/x`)).status, 200)
})

t.test('C5.18 a request chooses nothing of the sign-in but where to return to and two hints', async t => {
  const asked = 'scope=evil&prompt=none&redirect_uri=https%3A%2F%2Fevil.example%2F&client_id=evil&response_type=token&response_mode=fragment&state=evil&nonce=evil&code_challenge=evil&code_challenge_method=plain&claims=%7B%7D&resource=evil&tenant=evil&acr_values=evil&max_age=0&request=evil&request_uri=evil&need=evil'
  for (const query of [asked, `login_hint=${encodeURIComponent('x&scope=evil&prompt=none')}`, `domain_hint=${encodeURIComponent('x&redirect_uri=evil')}`, 'login_hint=a&login_hint=evil', `login_hint=${encodeURIComponent('x\r\nSet-Cookie: evil=1')}`]) {
    const answer = await newBrowser(t).visit(`${url}/.auth/login?${query}`)
    t.equal(answer.status, 302)
    const target = new URL(answer.location())
    t.equal(target.origin, entra.origin)
    const sent = target.searchParams
    for (const name of new Set(sent.keys())) t.equal(sent.getAll(name).length, 1, `${name} once`)
    t.equal(sent.get('client_id'), clientId)
    t.equal(sent.get('redirect_uri'), `${url}/.auth/callback`)
    t.equal(sent.get('response_type'), 'code')
    t.equal(sent.get('response_mode'), 'query')
    t.equal(sent.get('code_challenge_method'), 'S256')
    t.match(sent.get('code_challenge'), /^[A-Za-z0-9_-]{43}$/)
    t.match(sent.get('state'), /^.{43,}$/)
    t.match(sent.get('nonce'), /^.{43,}$/)
    t.equal(sent.get('prompt'), null)
    t.match(sent.get('scope'), /openid/)
    // The mailbox that a hint stands for is the hint once more, for the provider's routing.
    for (const [name, value] of sent) if (!/_hint$|^X-AnchorMailbox$/.test(name)) t.notMatch(value, /evil/, name)
    t.notOk('evil' in answer.headers)
  }
})

t.test('C5.7 state, nonce and challenge are new each time', async t => {
  const browser = newBrowser(t)
  const all = await Promise.all(Array.from({ length: 20 }, async () => new URL((await browser.visit(`${url}/.auth/login`)).location()).searchParams))
  for (const name of ['state', 'nonce', 'code_challenge']) t.equal(new Set(all.map(query => query.get(name))).size, 20, name)
})

t.test('C5.19 a POST, or a huge query, or rubbish at the callback without cookie is refused', async t => {
  const calls = tokenCalls()
  const requests = [
    { method: 'POST', target: '/.auth/callback', body: 'code=x&state=y', fields: [['Content-Type', 'application/x-www-form-urlencoded']] as const },
    { method: 'POST', target: '/.auth/callback?code=x&state=y', body: '' },
    { target: `/.auth/callback?code=${'x'.repeat(7000)}&state=${'y'.repeat(500)}` },
    { target: `/.auth/callback?${'a=b&'.repeat(1500)}state=x&code=y` },
    { target: '/.auth/callback' }, { target: '/.auth/callback?' }, { target: '/.auth/callback?code' }, { target: '/.auth/callback?state=%00&code=%ff' },
    { target: '/.auth/callback?__proto__[x]=1&constructor=1&state=toString&code=x' }, { method: 'HEAD', target: '/.auth/callback?code=x&state=y' }, { method: 'PUT', target: '/.auth/callback?code=x&state=y' }
  ]
  for (const request of requests) {
    const answer = await exchange(t, gateway.port, request)
    t.ok(answer.status >= 400 && answer.status < 500, `${request.method ?? 'GET'} ${request.target.slice(0, 40)}: ${answer.status}`)
    t.notOk(answer.all('set-cookie').some(line => /^scopegate=[^;]/.test(line)))
  }
  t.equal(tokenCalls(), calls)
})

t.test('C3.9 no step of a sign-in or sign-out answers 307 or 308', async t => {
  const browser = newBrowser(t)
  const login = await browser.visit(`${url}/.auth/login`)
  const callback = await browser.visit((await reachCallback(browser, url)).href)
  const logout = await browser.visit(`${url}/.auth/logout`)
  t.strictSame([login.status, callback.status, logout.status], [302, 303, 303])
})

t.test('the fourth round within a minute for the same page ends on a page', async t => {
  const browser = newBrowser(t)
  for (let i = 0; i < 3; i++) t.equal((await browser.visit((await reachCallback(browser, url, { at: '/again' })).href)).status, 303)
  const fourth = await browser.visit(`${url}/.auth/login?post_login_redirect_uri=%2Fagain`)
  t.equal(fourth.status, 403)
  t.equal(fourth.headers['scopegate-error'], 'SG_SIGN_IN_LOOP')
  t.equal((await browser.visit(`${url}/.auth/login?post_login_redirect_uri=%2Fother`)).status, 302, 'another page is another matter')
})
