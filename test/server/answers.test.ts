/** This file checks what is a navigation, where a sign-in leads back to, and what every answer of the gateway looks like. */
import { fastify, type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SignInNeeds } from '../../src/auth/need.ts'
import { errors, SignInRequired } from '../../src/errors.ts'
import { parseTarget, type Target } from '../../src/proxy/target.ts'
import { errorHandler, isNavigation, ownAnswerHeaders } from '../../src/server/answers.ts'

const publicOrigin = 'https://portal.contoso.com'
const navigate = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
const page = { accept: 'text/html,application/xhtml+xml' }

t.test('a navigation is what the contract says (section 4)', async t => {
  const rows: Array<[method: string, headers: Record<string, string>, is: boolean]> = [
    ['GET', navigate, true],
    ['HEAD', navigate, true],
    ['POST', navigate, true],
    ['GET', { ...navigate, accept: 'application/json' }, true],
    ['GET', { ...navigate, 'sec-fetch-site': 'cross-site' }, true],
    ['GET', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe', ...page }, false],
    ['GET', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'embed', ...page }, false],
    ['GET', { 'sec-fetch-mode': 'navigate', ...page }, false],
    ['GET', { 'sec-fetch-dest': 'document', ...page }, false],
    ['GET', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', ...page }, false],
    ['GET', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', ...page }, false],
    ['GET', { 'sec-fetch-mode': 'websocket', 'sec-fetch-dest': 'websocket', ...page }, false],
    ['GET', { 'sec-fetch-mode': '', 'sec-fetch-dest': '', ...page }, false],
    ['GET', page, true],
    ['HEAD', page, true],
    ['GET', { ...page, 'x-requested-with': 'XMLHttpRequest' }, false],
    ['GET', { ...page, 'x-requested-with': '' }, false],
    ['POST', page, false],
    ['PUT', page, false],
    ['OPTIONS', page, false],
    ['GET', { accept: 'application/json' }, false],
    ['GET', { accept: '*/*' }, false],
    ['GET', { accept: '' }, false],
    ['GET', {}, false],
    ['GET', { ...page, authorization: 'Bearer x' }, false],
    ['GET', { ...navigate, authorization: 'Bearer x' }, false],
    ['GET', { ...page, 'user-agent': 'kube-probe/1.29' }, true]
  ]
  for (const [method, headers, is] of rows) t.equal(isNavigation({ method, headers }), is, `${method} ${JSON.stringify(headers)}`)
})

interface Asked {
  readonly returnUrl: string
  readonly sessionKey: string | undefined
}

/** An app whose every route throws what the test gives it. */
function appThatThrows (t: Test, error: () => unknown, unauthenticated: 'auto' | 'redirect' | '401' = 'auto') {
  const asked: Asked[] = []
  const needs: SignInNeeds = {
    loginUrl: async (_need, returnUrl, sessionKey) => {
      asked.push({ returnUrl, sessionKey })
      return `/.auth/login?${new URLSearchParams({ post_login_redirect_uri: returnUrl })}`
    },
    open: async () => undefined
  }
  const app: FastifyInstance = fastify({ genReqId: () => 'request-1' })
  app.decorateRequest('live', undefined)
  app.addHook('onRequest', async request => { request.raw.target = parseTarget(request.raw.url ?? '') as Target })
  app.addHook('onSend', ownAnswerHeaders({ providerOrigin: 'https://login.example' }))
  app.setErrorHandler(errorHandler({ needs, publicOrigin, unauthenticated: () => unauthenticated }))
  app.all('/*', async () => { throw error() })
  t.teardown(async () => { await app.close() })
  return { app, asked }
}

const required = (): Error => new SignInRequired({ reason: 'sign_in_required', scopes: [] })

t.test('a navigation without session is sent to the sign-in and will come back to where it went', async t => {
  const { app, asked } = appThatThrows(t, required)
  const reply = await app.inject({ url: '/orders?page=2&x=%2F', headers: navigate })
  t.equal(reply.statusCode, 302)
  t.equal(reply.headers.location, '/.auth/login?post_login_redirect_uri=%2Forders%3Fpage%3D2%26x%3D%252F')
  t.equal(reply.headers['scopegate-error'], 'SG_SIGN_IN_REQUIRED')
  t.same(asked, [{ returnUrl: '/orders?page=2&x=%2F', sessionKey: undefined }])
})

t.test('anything else gets 401, the address of the sign-in, and a challenge', async t => {
  const { app } = appThatThrows(t, () => new SignInRequired({ reason: 'consent_required', scopes: ['api://a/b', 'api://a/c'] }))
  for (const [method, headers] of [['GET', { accept: 'application/json' }], ['POST', {}], ['GET', { ...page, authorization: 'Bearer x' }],
    ['PUT', page], ['GET', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }]] as const) {
    const reply = await app.inject({ method, url: '/api/orders', headers })
    t.equal(reply.statusCode, 401)
    t.equal(reply.headers.location, undefined)
    t.equal(reply.headers['content-type'], 'application/problem+json')
    t.same(reply.json(), {
      type: 'urn:scopegate:error:SG_SIGN_IN_REQUIRED',
      title: 'Sign-in is required',
      status: 401,
      code: 'SG_SIGN_IN_REQUIRED',
      requestId: 'request-1',
      loginUrl: '/.auth/login?post_login_redirect_uri=%2F',
      reason: 'consent_required'
    })
    t.equal(reply.headers['www-authenticate'],
      'Bearer realm="scopegate", reason="consent_required", login_url="/.auth/login?post_login_redirect_uri=%2F", scope="api://a/b api://a/c"')
    t.equal(reply.headers['set-cookie'], undefined)
  }
})

t.test('a script, and a form that was posted, come back to the page they came from', async t => {
  const rows: Array<[what: string, method: 'GET' | 'POST', headers: Record<string, string>, returnUrl: string]> = [
    ['a script', 'GET', { referer: `${publicOrigin}/app?x=1#part` }, '/app?x=1'],
    ['a posted form', 'POST', { ...navigate, referer: `${publicOrigin}/form` }, '/form'],
    ['a script of another site', 'GET', { referer: 'https://evil.example/app' }, '/'],
    ['a look-alike site', 'GET', { referer: `${publicOrigin}.evil.example/app` }, '/'],
    ['plain http', 'GET', { referer: 'http://portal.contoso.com/app' }, '/'],
    ['another port', 'GET', { referer: 'https://portal.contoso.com:444/app' }, '/'],
    ['no referer', 'GET', {}, '/'],
    ['a broken one', 'GET', { referer: 'not a URL' }, '/'],
    ['an opaque one', 'GET', { referer: 'data:text/html,x' }, '/'],
    ['a page of the sign-in itself', 'GET', { referer: `${publicOrigin}/.auth/login?x` }, '/'],
    ['a path with tricks', 'GET', { referer: `${publicOrigin}//evil.example` }, '/'],
    ['a navigation, whatever its referer', 'GET', { ...navigate, referer: `${publicOrigin}/elsewhere` }, '/api']
  ]
  for (const [what, method, headers, returnUrl] of rows) {
    const { app, asked } = appThatThrows(t, required)
    await app.inject({ method, url: '/api', headers })
    t.same(asked.map(one => one.returnUrl), [returnUrl], what)
  }
})

t.test('a route may want a redirect or a 401 whatever asks', async t => {
  const redirecting = appThatThrows(t, required, 'redirect').app
  t.equal((await redirecting.inject({ url: '/x', headers: { accept: 'application/json' } })).statusCode, 302)
  const refusing = appThatThrows(t, required, '401').app
  t.equal((await refusing.inject({ url: '/x', headers: navigate })).statusCode, 401)
})

t.test('an API client with a bearer token is never redirected, not even by a route that always redirects', async t => {
  const { app } = appThatThrows(t, required, 'redirect')
  t.equal((await app.inject({ url: '/x', headers: { authorization: 'Bearer x' } })).statusCode, 401)
})

t.test('a refusal is a page to a person and a problem document to a program, with the same code', async t => {
  for (const [code, Coded] of Object.entries(errors).filter(([code]) => code !== 'SG_SIGN_IN_REQUIRED')) {
    const { app } = appThatThrows(t, () => new Coded({ cause: new Error('secret cause') }))
    const [person, program] = await Promise.all([{ ...navigate }, { accept: '*/*' }].map(async headers => await app.inject({ url: '/x', headers })))
    const status = new Coded().statusCode
    for (const reply of [person!, program!]) {
      t.equal(reply.statusCode, status, code)
      t.equal(reply.headers['scopegate-error'], code)
      t.equal(reply.headers.scopegate, undefined, 'one mark is enough')
      t.equal(reply.headers['cache-control'], 'no-store')
      t.notMatch(reply.body, 'secret')
      t.match(reply.body, 'request-1')
    }
    t.equal(person!.headers['content-type'], 'text/html; charset=utf-8')
    t.match(program!.json(), { code, status })
  }
})

t.test('whatever else is thrown is SG_INTERNAL, and tells nothing', async t => {
  for (const thrown of [new Error('secret'), Object.assign(new Error('secret'), { statusCode: 418, code: 'FST_ERR_X' }), new TypeError('secret')]) {
    const reply = await appThatThrows(t, () => thrown).app.inject({ url: '/x' })
    t.equal(reply.statusCode, 500)
    t.match(reply.json(), { code: 'SG_INTERNAL', title: 'Something went wrong' })
    t.notMatch(JSON.stringify([reply.headers, reply.body]), /secret|FST_/)
  }
})

t.test('a needed sign-in of which nobody said what it has to bring is a needed sign-in', async t => {
  const { app } = appThatThrows(t, () => new errors.SG_SIGN_IN_REQUIRED())
  const reply = await app.inject({ url: '/x' })
  t.equal(reply.statusCode, 401)
  t.match(reply.json(), { code: 'SG_SIGN_IN_REQUIRED' })
})

t.test('a fault while answering an error tells nothing either', async t => {
  const { app } = appThatThrows(t, () => new SignInRequired({ reason: 'sign_in_required', scopes: null as never }))
  const reply = await app.inject({ url: '/x', headers: { accept: '*/*' } })
  t.equal(reply.statusCode, 500)
  t.notMatch(reply.body, /Cannot read|null|undefined/)
  t.match(reply.json(), { code: 'SG_INTERNAL' })
})

t.test('every answer of the gateway is kept out of caches, frames and other sites', async t => {
  const { app } = appThatThrows(t, required)
  app.get('/own', async () => 'fine')
  for (const url of ['/own', '/x']) {
    const { headers } = await app.inject({ url, headers: navigate })
    t.match(headers, {
      'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', vary: 'Cookie, Sec-Fetch-Site, Origin'
    })
    t.match(headers['content-security-policy'],
      /^default-src 'none'; style-src 'sha256-[^']+'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' https:\/\/login\.example$/)
  }
  t.equal((await app.inject({ url: '/own' })).headers.scopegate, '1')
})
