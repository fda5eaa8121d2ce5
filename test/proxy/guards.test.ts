/** This file checks every guard by its table of decisions, and that a store or provider that fails lets nobody through. */
import t from 'tap'
import { errors, SignInRequired } from '../../src/errors.ts'
import type { IdentityProvider, TokenOutcome } from '../../src/identity/provider.ts'
import {
  attachToken, type Guarded, type GuardDeps, loadSession, refuseCrossSite, refuseEncodedSlash, requireAccess, requireSession
} from '../../src/proxy/guards.ts'
import { parseTarget, type Target } from '../../src/proxy/target.ts'
import type { LiveSession, SessionReader } from '../../src/session/reader.ts'
import { account, sessionAt } from '../session/support.ts'
import { routeOf } from './support.ts'

const publicOrigin = 'https://portal.contoso.com'
const live: LiveSession = {
  key: 's:alice', account, absoluteEndsAt: 2e12, session: sessionAt(1e12, { oid: account.oid, roles: ['Reader'] }), readAt: 1e12
}

interface World extends GuardDeps {
  readonly touched: LiveSession[]
  readonly ended: LiveSession[]
  readonly refusals: string[]
  readonly asked: Array<string | undefined>
}

interface Replaced {
  readonly find?: SessionReader['find']
  readonly acquire?: IdentityProvider['acquire']
  readonly endSession?: GuardDeps['endSession']
}

function world (parts: Replaced = {}): World {
  const touched: LiveSession[] = []
  const ended: LiveSession[] = []
  const refusals: string[] = []
  const asked: Array<string | undefined> = []
  return {
    touched,
    ended,
    refusals,
    asked,
    publicOrigin,
    reader: {
      find: header => {
        asked.push(header)
        return (parts.find ?? (() => live))(header)
      },
      touch: one => { touched.push(one) },
      forget: () => {},
      forgetAll: () => {}
    },
    provider: { acquire: parts.acquire ?? (() => { throw new Error('not asked for') }) } as unknown as IdentityProvider,
    endSession: parts.endSession ?? (async one => { ended.push(one) }),
    onRefusal: (route, by) => { refusals.push(`${route.id} ${by}`) }
  }
}

interface Parts {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly target?: string
  readonly live?: LiveSession
}

function guarded ({ method = 'GET', headers = {}, target = '/', live }: Parts = {}): Guarded {
  return { method, raw: { headers, target: parseTarget(target) as Target }, live, bearer: undefined } as Guarded
}

t.test('refuseEncodedSlash lets an encoded slash go on only where the route allows it, and never in its literal part', async t => {
  const rows: Array<[settings: string, path: string, target: string, passes: boolean]> = [
    ['', '/*', '/a/b', true],
    ['', '/*', '/a%2Fb', false],
    ['', '/*', '/a%5Cb', false],
    ['allowEncodedSlash: true', '/*', '/a%2Fb', true],
    ['allowEncodedSlash: true', '/*', '/a%5Cb', true],
    ['allowEncodedSlash: true', '/files/*', '/files/a%2Fb', true],
    ['allowEncodedSlash: true', '/files/*', '/files%2Fa', false],
    ['allowEncodedSlash: true', '/files/deep/*', '/files%2Fdeep/a', false],
    ['allowEncodedSlash: true', '/files/deep/*', '/files/deep/a%2Fb', true],
    ['', '/files/*', '/files/a%2Fb', false],
    ['allowEncodedSlash: true', '/a/b', '/a%2Fb', false],
    ['', '/a/b', '/a/b', true],
    ['', '/*', '/a%20b', true]
  ]
  for (const [settings, path, target, passes] of rows) {
    const run = (): unknown => refuseEncodedSlash(world(), routeOf(settings, { path }), guarded({ target }))
    const what = `${target} on ${path} ${settings}`
    if (passes) t.doesNotThrow(run, what)
    else t.throws(run, { code: 'SG_TARGET_INVALID' }, what)
  }
})

t.test('loadSession reads the session on every route but public ones', async t => {
  for (const [access, asks] of [['authenticated', true], ['optional', true], ['public', false]] as const) {
    const deps = world()
    const request = guarded({ headers: { cookie: 'a=1' } })
    loadSession(deps, { access }, request)
    t.same(deps.asked, asks ? ['a=1'] : [], access)
    t.equal(request.live, asks ? live : undefined, access)
  }
})

t.test('loadSession waits for the store, and passes its failure on', async t => {
  const request = guarded()
  await loadSession(world({ find: async () => live }), { access: 'authenticated' }, request)
  t.equal(request.live, live)
  const failing = guarded()
  for (const access of ['authenticated', 'optional'] as const) {
    const waiting = loadSession(world({ find: async () => { throw new errors.SG_STORE_UNAVAILABLE() } }), { access }, failing)
    await t.rejects(Promise.resolve(waiting), { code: 'SG_STORE_UNAVAILABLE' }, access)
    t.equal(failing.live, undefined)
  }
})

t.test('requireSession asks for a sign-in where one is needed', async t => {
  const required = { code: 'SG_SIGN_IN_REQUIRED', need: { reason: 'sign_in_required', scopes: [] } }
  t.throws(() => requireSession(world(), { access: 'authenticated' }, guarded()), required)
  t.doesNotThrow(() => requireSession(world(), { access: 'authenticated' }, guarded({ live })))
  for (const access of ['optional', 'public'] as const) t.doesNotThrow(() => requireSession(world(), { access }, guarded()), access)
})

t.test('no guard extends a session: only what is proxied does', async t => {
  const deps = world({ acquire: () => token })
  const request = guarded({ live })
  const guards = [refuseEncodedSlash, loadSession, requireSession, refuseCrossSite, requireAccess, attachToken]
  for (const guard of guards) await guard(deps, withScopes, request)
  t.equal(request.bearer, 'Bearer ours')
  t.same(deps.touched, [])
})

t.test('refuseCrossSite believes Sec-Fetch-Site, then Origin, and nothing else', async t => {
  const rows: Array<[headers: Record<string, string>, passes: boolean]> = [
    [{ 'sec-fetch-site': 'same-origin' }, true],
    [{ 'sec-fetch-site': 'none' }, true],
    [{ 'sec-fetch-site': 'same-site' }, false],
    [{ 'sec-fetch-site': 'cross-site' }, false],
    [{ 'sec-fetch-site': '' }, false],
    [{ 'sec-fetch-site': 'SAME-ORIGIN' }, false],
    [{ 'sec-fetch-site': 'same-origin, cross-site' }, false],
    [{ 'sec-fetch-site': 'cross-site', origin: publicOrigin }, false],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, true],
    [{ origin: publicOrigin }, true],
    [{ origin: 'https://evil.example' }, false],
    [{ origin: 'null' }, false],
    [{ origin: '' }, false],
    [{ origin: 'http://portal.contoso.com' }, false],
    [{ origin: 'https://portal.contoso.com:444' }, false],
    [{ origin: 'https://portal.contoso.com.evil.example' }, false],
    [{ origin: 'https://evil-portal.contoso.com' }, false],
    [{ origin: `${publicOrigin}/` }, false],
    [{}, false],
    [{ referer: `${publicOrigin}/page` }, false],
    [{ 'x-requested-with': 'XMLHttpRequest' }, false],
    [{ 'content-type': 'application/json' }, false]
  ]
  for (const [headers, passes] of rows) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'LOCK', 'UNLOCK', 'PROPPATCH']) {
      const run = (): unknown => refuseCrossSite(world(), routeOf(), guarded({ method, headers, live }))
      const what = `${method} ${JSON.stringify(headers)}`
      if (passes) t.doesNotThrow(run, what)
      else t.throws(run, { code: 'SG_ORIGIN_REFUSED' }, what)
    }
  }
})

t.test('refuseCrossSite lets safe methods, requests without session and routes that switch it off go on', async t => {
  const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    t.doesNotThrow(() => refuseCrossSite(world(), routeOf(), guarded({ method, headers, live })), method)
  }
  t.doesNotThrow(() => refuseCrossSite(world(), routeOf(), guarded({ method: 'POST', headers })), 'there is no session to ride on')
  t.doesNotThrow(() => refuseCrossSite(world(), routeOf('csrf: "off"'), guarded({ method: 'POST', headers, live })))
  for (const method of ['get', 'GETT', 'FOO', '', 'OPTIONS ', 'constructor']) {
    t.throws(() => refuseCrossSite(world(), routeOf(), guarded({ method, headers, live })), { code: 'SG_ORIGIN_REFUSED' }, `unknown method ${method}`)
  }
})

t.test('requireAccess follows the rule of the route and tells the log, not the client, which list refused', async t => {
  const rows: Array<[settings: string, live: LiveSession | undefined, refusedBy: string | undefined]> = [
    ['', live, undefined],
    ['', undefined, undefined],
    ['allow: { roles: [Reader] }', live, undefined],
    ['allow: { roles: [Admin] }', live, 'allow.roles'],
    ['deny: { roles: [Reader] }', live, 'deny'],
    ['deny: { roles: [Admin] }', live, undefined],
    ['access: optional, allow: { roles: [Reader] }', undefined, 'anonymous'],
    ['access: optional, deny: { roles: [Admin] }', undefined, 'anonymous']
  ]
  for (const [settings, live, refusedBy] of rows) {
    const deps = world()
    const run = (): unknown => requireAccess(deps, routeOf(settings), guarded(live === undefined ? {} : { live }))
    if (refusedBy === undefined) t.doesNotThrow(run, settings)
    else t.throws(run, { code: 'SG_ACCESS_DENIED', message: new errors.SG_ACCESS_DENIED().message }, settings)
    t.same(deps.refusals, refusedBy === undefined ? [] : [`/* ${refusedBy}`], settings)
  }
})

const withScopes = routeOf('scopes: [api://orders/Orders.Read]')
const token: TokenOutcome = { kind: 'token', bearer: 'Bearer ours', softAt: 2e12, hardAt: 2e12, source: 'ready' }
const consent: TokenOutcome = { kind: 'sign-in-needed', reason: 'consent_required', scopes: ['api://orders/Orders.Read'], endSession: false }
const dead: TokenOutcome = { kind: 'sign-in-needed', reason: 'sign_in_required', scopes: [], endSession: true }

t.test('attachToken takes a ready token at once and waits for a late one', async t => {
  const request = guarded({ live })
  const asked: unknown[] = []
  t.equal(attachToken(world({ acquire: (...args) => { asked.push(args); return token } }), withScopes, request), undefined, 'no promise')
  t.equal(request.bearer, 'Bearer ours')
  t.same(asked, [[live, withScopes.scopeSet]])
  const late = guarded({ live })
  await attachToken(world({ acquire: async () => token }), withScopes, late)
  t.equal(late.bearer, 'Bearer ours')
})

t.test('attachToken asks for nothing on routes without scopes and for requests without session', async t => {
  const deps = world()
  const requests = [[routeOf(), guarded({ live })], [withScopes, guarded()], [routeOf('access: public'), guarded({ live })]] as const
  for (const [route, request] of requests) {
    t.equal(attachToken(deps, route, request), undefined)
    t.equal(request.bearer, undefined)
  }
})

t.test('attachToken turns a needed sign-in into that, with what it has to bring, at once or late', async t => {
  const request = guarded({ live })
  const check = (error: unknown): void => {
    t.ok(error instanceof SignInRequired)
    t.match(error, { need: { reason: 'consent_required', scopes: ['api://orders/Orders.Read'] } })
  }
  try {
    await attachToken(world({ acquire: () => consent }), withScopes, request)
    t.fail('it went on')
  } catch (error) { check(error) }
  await Promise.resolve(attachToken(world({ acquire: async () => consent }), withScopes, request)).then(() => t.fail('it went on'), check)
  t.equal(request.live, live, 'the session is still good')
  t.equal(request.bearer, undefined)
})

t.test('attachToken ends the session whose grant is dead before it asks for a sign-in', async t => {
  for (const acquire of [() => dead, async () => dead]) {
    const deps = world({ acquire })
    const request = guarded({ live })
    await t.rejects(Promise.resolve(attachToken(deps, withScopes, request)), { code: 'SG_SIGN_IN_REQUIRED' })
    t.same(deps.ended, [live])
    t.equal(request.live, undefined)
  }
})

t.test('attachToken passes failures on: of the provider, and of a session that cannot be ended', async t => {
  const unavailable = async (): Promise<never> => { throw new errors.SG_PROVIDER_UNAVAILABLE() }
  const request = guarded({ live })
  await t.rejects(Promise.resolve(attachToken(world({ acquire: unavailable }), withScopes, request)), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.throws(() => attachToken(world({ acquire: () => { throw new errors.SG_SIGN_IN_REFUSED() } }), withScopes, request), { code: 'SG_SIGN_IN_REFUSED' })
  t.equal(request.live, live, 'a provider that fails ends nobody\'s session')
  t.equal(request.bearer, undefined)
  const stuck = world({ acquire: () => dead, endSession: async () => { throw new errors.SG_STORE_UNAVAILABLE() } })
  await t.rejects(Promise.resolve(attachToken(stuck, withScopes, guarded({ live }))), { code: 'SG_STORE_UNAVAILABLE' })
})
