/** This file checks every guard by its table of decisions, and that a store or provider that fails lets nobody through. */
import t from 'tap'
import { bearerChallengeOf, errors, SignInRequired } from '../../src/errors.ts'
import { type ApiCaller, theApp } from '../../src/identity/holder.ts'
import type { GroupsOutcome, IdentityProvider, SignInNeeded, TokenOutcome } from '../../src/identity/provider.ts'
import {
  attachToken, type Guarded, type GuardDeps, limitInvalidCookies, loadSession, refuseCrossSite, refuseEncodedSlash,
  requireAuthContext, requireSession
} from '../../src/proxy/guards.ts'
import { loadCaller, refuseUnlistedApp } from '../../src/proxy/callers.ts'
import { requireAccess } from '../../src/proxy/require-access.ts'
import { parseTarget, type Target } from '../../src/proxy/target.ts'
import type { LiveSession, SessionReader } from '../../src/session/reader.ts'
import type { Claims } from '../../src/session/session.ts'
import { account, sessionAt } from '../session/support.ts'
import { routeOf } from './support.ts'

const publicOrigin = 'https://portal.contoso.com'
const live = liveWith({ roles: ['Reader'] })

/** A session with these claims, of a token that was issued just now. */
function liveWith (claims: Claims): LiveSession {
  const session = sessionAt(1e12, { oid: account.oid, iat: 1e9, ...claims })
  return { kind: 'session', key: 's:alice', account, absoluteEndsAt: 2e12, session, stamp: 1, claimsStamp: 0, readAt: 1e12, claimsDueAt: 2e12 }
}

interface World extends GuardDeps {
  readonly touched: LiveSession[]
  readonly ended: LiveSession[]
  readonly refusals: string[]
  readonly asked: Array<string | undefined>
  readonly invalid: string[]
}

interface Replaced {
  readonly find?: SessionReader['find']
  readonly acquire?: IdentityProvider['acquire']
  readonly identify?: IdentityProvider['identify']
  readonly renewClaims?: IdentityProvider['renewClaims']
  readonly groupsOf?: IdentityProvider['groupsOf']
  readonly now?: number
  readonly endSession?: GuardDeps['endSession']
}

function notAskedFor (): never {
  throw new Error('not asked for')
}

function world (parts: Replaced = {}): World {
  const touched: LiveSession[] = []
  const ended: LiveSession[] = []
  const refusals: string[] = []
  const asked: Array<string | undefined> = []
  const invalid: string[] = []
  return {
    invalid,
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
      hasCookie: header => header !== undefined,
      touch: one => { touched.push(one) }
    },
    provider: {
      acquire: parts.acquire ?? notAskedFor,
      identify: parts.identify ?? notAskedFor,
      renewClaims: parts.renewClaims ?? notAskedFor,
      groupsOf: parts.groupsOf ?? notAskedFor
    } as unknown as IdentityProvider,
    now: () => parts.now ?? 1e12,
    endSession: parts.endSession ?? (async one => { ended.push(one) }),
    onInvalidCookie: () => { invalid.push('one') },
    onUnknownToken: () => { invalid.push('unknown token') },
    onInvalidToken: () => { invalid.push('token') },
    onRefusal: (route, by) => { refusals.push(`${route.id} ${by}`) }
  }
}

interface Parts {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly target?: string
  readonly live?: LiveSession
  readonly caller?: ApiCaller
}

function guarded ({ method = 'GET', headers = {}, target = '/', live, caller }: Parts = {}): Guarded {
  return { method, raw: { headers, target: parseTarget(target) as Target }, live, caller, bearer: undefined } as Guarded
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

t.test('limitInvalidCookies counts a session cookie that brought no session, wherever one was looked for', async t => {
  for (const access of ['authenticated', 'optional', 'public'] as const) {
    const deps = world()
    limitInvalidCookies(deps, { access }, guarded({ headers: { cookie: 'a=1' } }))
    t.equal(deps.invalid.length, access === 'public' ? 0 : 1, access)
    limitInvalidCookies(deps, { access }, guarded())
    limitInvalidCookies(deps, { access }, guarded({ live, headers: { cookie: 'a=1' } }))
    t.equal(deps.invalid.length, access === 'public' ? 0 : 1, access)
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

const minute = 60_000
const dead: SignInNeeded = { kind: 'sign-in-needed', reason: 'sign_in_required', scopes: [], endSession: true }

t.test('requireAccess has claims renewed that are too old to decide by, and decides by the new ones', async t => {
  const admins = routeOf('allow: { roles: [Admin] }')
  const renewed = (roles: string[]) => async () => ({ kind: 'claims', claims: { iss: 'i', tid: 't', oid: account.oid, sub: 's', iat: 2e9, roles } }) as const
  const rows: Array<[old: string[], fresh: string[], passes: boolean]> = [
    [['Admin'], ['Admin'], true], [['Admin'], [], false], [[], ['Admin'], true], [[], [], false]
  ]
  for (const [old, fresh, passes] of rows) {
    const own = liveWith({ roles: old, acrs: ['c1'] })
    const deps = world({ now: 1e12 + 96 * minute, renewClaims: renewed(fresh) })
    const decided = Promise.resolve(requireAccess(deps, admins, guarded({ live: own })))
    if (passes) await t.resolves(decided, `${old} ${fresh}`)
    else await t.rejects(decided, { code: 'SG_ACCESS_DENIED' }, `${old} ${fresh}`)
    t.match(own.session.claims, { roles: fresh, acrs: ['c1'], iat: 2e9 }, 'the copy goes by them')
  }
  const young = world({ now: 1e12 + 94 * minute })
  t.doesNotThrow(() => requireAccess(young, admins, guarded({ live: liveWith({ roles: ['Admin'] }) })), 'young enough')
  t.doesNotThrow(() => requireAccess(world({ now: 3e12 }), routeOf(), guarded({ live })), 'no rule, no question')
})

t.test('requireAccess lets nobody in, and ends nobody\'s session, because the provider is away', async t => {
  const deps = world({ now: 1e12 + 96 * minute, renewClaims: async () => { throw new errors.SG_PROVIDER_UNAVAILABLE() } })
  const request = guarded({ live })
  for (const settings of ['allow: { roles: [Reader] }', 'deny: { roles: [Admin] }']) {
    await t.rejects(Promise.resolve(requireAccess(deps, routeOf(settings), request)), { code: 'SG_PROVIDER_UNAVAILABLE' })
  }
  t.equal(request.live, live)
  t.same(deps.ended, [])
})

t.test('requireAccess asks for a sign-in when the provider wants one, and ends what is over', async t => {
  const needed: SignInNeeded = { kind: 'sign-in-needed', reason: 'mfa_required', scopes: [], claims: '{"a":1}', endSession: false }
  for (const outcome of [needed, dead]) {
    const deps = world({ now: 1e12 + 96 * minute, renewClaims: async () => outcome })
    const request = guarded({ live })
    const { reason, claims } = outcome
    await t.rejects(Promise.resolve(requireAccess(deps, routeOf('allow: { roles: [Reader] }'), request)), { code: 'SG_SIGN_IN_REQUIRED', need: { reason, claims } })
    t.same(deps.ended, outcome.endSession ? [live] : [])
  }
})

t.test('requireAccess looks groups up when the token had no room for them, at once where they are known', async t => {
  const [team, others] = ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa1', 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa2']
  const own = liveWith({ hasgroups: true })
  const allow = routeOf(`allow: { groups: [${team}] }`)
  const deny = routeOf(`deny: { groups: [${team}] }`)
  const known = (groups: string[]): GroupsOutcome => ({ kind: 'groups', groups })
  t.equal(requireAccess(world({ groupsOf: () => known([team]) }), allow, guarded({ live: own })), undefined, 'no promise')
  t.throws(() => requireAccess(world({ groupsOf: () => known([others]) }), allow, guarded({ live: own })), { code: 'SG_ACCESS_DENIED' })
  t.throws(() => requireAccess(world({ groupsOf: () => known([team]) }), deny, guarded({ live: own })), { code: 'SG_ACCESS_DENIED' })
  t.doesNotThrow(() => requireAccess(world({ groupsOf: () => known([others]) }), deny, guarded({ live: own })))
  const late = world({ groupsOf: async () => known([]) })
  await t.rejects(Promise.resolve(requireAccess(late, allow, guarded({ live: own }))), { code: 'SG_ACCESS_DENIED' })
  t.same(late.refusals, ['/* allow.groups'])
  await requireAccess(late, deny, guarded({ live: own }))
  for (const route of [allow, deny]) {
    const away = world({ groupsOf: async () => { throw new errors.SG_PROVIDER_UNAVAILABLE() } })
    await t.rejects(Promise.resolve(requireAccess(away, route, guarded({ live: own }))), { code: 'SG_PROVIDER_UNAVAILABLE' })
    const over = world({ groupsOf: async () => dead })
    await t.rejects(Promise.resolve(requireAccess(over, route, guarded({ live: own }))), { code: 'SG_SIGN_IN_REQUIRED' })
    t.same(over.ended, [own])
  }
})

t.test('requireAuthContext asks for a sign-in that brings the context, of whoever has not got it', async t => {
  const stepped: LiveSession = { ...live, session: sessionAt(1e12, { oid: account.oid, acrs: ['c1'] }) }
  const claims = '{"id_token":{"acrs":{"essential":true,"value":"c1"}}}'
  const rows: Array<[settings: string, live: LiveSession | undefined, reason: string | undefined]> = [
    ['', live, undefined],
    ['access: optional', undefined, undefined],
    ['requireAuthContext: c1', stepped, undefined],
    ['requireAuthContext: c1', live, 'interaction_required'],
    ['access: optional, requireAuthContext: c1', stepped, undefined],
    ['access: optional, requireAuthContext: c1', live, 'interaction_required'],
    ['access: optional, requireAuthContext: c1', undefined, 'sign_in_required']
  ]
  for (const [settings, live, reason] of rows) {
    const run = (): unknown => requireAuthContext(world(), routeOf(settings), guarded(live === undefined ? {} : { live }))
    if (reason === undefined) t.doesNotThrow(run, settings)
    else t.throws(run, { code: 'SG_SIGN_IN_REQUIRED', need: { reason, scopes: [], claims } }, settings)
  }
  const needs = { code: 'SG_SIGN_IN_REQUIRED', need: { reason: 'sign_in_required', scopes: [], claims } }
  t.throws(() => requireSession(world(), routeOf('requireAuthContext: c1'), guarded()), needs, 'the first sign-in brings it')
})

const withScopes = routeOf('scopes: [api://orders/Orders.Read]')
const token: TokenOutcome = { kind: 'token', bearer: 'Bearer ours', softAt: 2e12, hardAt: 2e12, source: 'ready' }
const consent: TokenOutcome = { kind: 'sign-in-needed', reason: 'consent_required', scopes: ['api://orders/Orders.Read'], endSession: false }

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

const callerOf = (isApp: boolean): ApiCaller => ({
  kind: 'caller', key: 'c:x', account, claims: { iss: 'i', sub: 's', ...account, roles: ['Reader'] }, client: 'cli', isApp, token: 'a.b.c', expiresAt: 2e12
})

t.test('requireAccess asks for the groups of an API client whose token says nothing of them, before it lets it past a rule that denies', async t => {
  const [team, others] = ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa1', 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa2']
  const deny = routeOf(`deny: { groups: [${team}] }`)
  const known = (groups: string[]) => world({ groupsOf: () => ({ kind: 'groups', groups }) })
  t.throws(() => requireAccess(known([team]), deny, guarded({ caller: callerOf(false) })), { code: 'SG_ACCESS_DENIED' })
  t.doesNotThrow(() => requireAccess(known([others]), deny, guarded({ caller: callerOf(false) })))
  const ofApp = world()
  t.throws(() => requireAccess(ofApp, deny, guarded({ caller: callerOf(true) })), { code: 'SG_ACCESS_DENIED' }, 'nobody can be asked about an app')
  t.same(ofApp.refusals, ['/* groups'])
})

t.test('loadCaller asks who sent a bearer token where there is no session, and nowhere else', async t => {
  const headers = { authorization: 'Bearer a.b.c' }
  const caller = callerOf(false)
  const asked: string[] = []
  const atOnce = (token: string): ApiCaller => {
    asked.push(token)
    return caller
  }
  for (const identify of [atOnce, async (token: string) => atOnce(token)]) {
    for (const access of ['authenticated', 'optional'] as const) {
      const request = guarded({ headers })
      await loadCaller(world({ identify }), { access }, request)
      t.equal(request.caller, caller, access)
    }
  }
  t.same(asked, ['a.b.c', 'a.b.c', 'a.b.c', 'a.b.c'])
  for (const [access, parts] of [['public', { headers }], ['authenticated', { headers, live }], ['authenticated', {}], ['authenticated', { headers: { authorization: 'Basic x' } }]] as const) {
    const request = guarded(parts)
    t.equal(loadCaller(world(), { access }, request), undefined, 'nobody is asked')
    t.equal(request.caller, undefined)
  }
})

t.test('loadCaller refuses what is no good, tells the client so, and counts it', async t => {
  for (const identify of [() => ({ kind: 'refused', why: 'no' }) as const, async () => ({ kind: 'refused', why: 'no' }) as const]) {
    const deps = world({ identify })
    const refused = await Promise.resolve().then(() => loadCaller(deps, { access: 'optional' }, guarded({ headers: { authorization: 'Bearer a.b.c' } }))).catch((error: Error) => error)
    t.match(refused, { code: 'SG_TOKEN_INVALID', cause: { code: 'no' } })
    t.same(bearerChallengeOf(refused as Error), { error: 'invalid_token' })
    t.same(deps.invalid, ['token'])
  }
  t.throws(() => loadCaller(world(), { access: 'authenticated' }, guarded({ headers: { authorization: 'Bearer x' } })), { code: 'SG_TOKEN_INVALID' })
})

t.test('an API client needs no session, and rules are about its claims', async t => {
  const request = guarded({ method: 'POST', headers: { origin: 'https://evil.example' }, caller: callerOf(false) })
  for (const guard of [requireSession, refuseCrossSite, refuseUnlistedApp, requireAccess]) guard(world(), routeOf('allow: { roles: [Reader] }'), request)
  t.throws(() => requireAccess(world(), routeOf('allow: { roles: [Admin] }'), request), { code: 'SG_ACCESS_DENIED' })
})

t.test('C14.6 refuseUnlistedApp lets an app without user go on where a rule can name it', async t => {
  const rows: Array<[settings: string, passes: boolean]> = [
    ['', false], ['deny: { roles: [Admin] }', false], ['allow: { tenants: [72f988bf-86f1-41af-91ab-2d7cd011db47] }', false], ['allow: { groups: [g] }', false],
    ['allow: { claims: { acct: ["0"] } }', false], ['access: optional', false], ['allow: { roles: [Reader] }', true],
    ['allow: { users: [72f988bf-86f1-41af-91ab-2d7cd011db47/72f988bf-86f1-41af-91ab-2d7cd011db47] }', true]
  ]
  for (const [settings, passes] of rows) {
    const run = (): unknown => refuseUnlistedApp(world(), routeOf(settings), guarded({ caller: callerOf(true) }))
    if (passes) t.doesNotThrow(run, settings)
    else t.throws(run, { code: 'SG_ACCESS_DENIED' }, settings)
    for (const parts of [{}, { live }, { caller: callerOf(false) }]) {
      t.doesNotThrow(() => refuseUnlistedApp(world(), routeOf(settings), guarded(parts)))
    }
  }
})

t.test('C14.9 attachToken asks in the name of the session, the client or the gateway itself, and for nobody not at all', async t => {
  const asked: unknown[] = []
  const deps = world({ acquire: holder => { asked.push(holder); return token } })
  const [user, app] = [callerOf(false), callerOf(true)]
  const own = routeOf('token: app, scopes: [api://orders/.default]')
  const requests = [
    [withScopes, { live }], [withScopes, { caller: user }], [own, { live }], [own, { caller: user }], [own, { caller: app }],
    [own, {}], [withScopes, {}]
  ] as const
  for (const [route, parts] of requests) {
    await attachToken(deps, route, guarded(parts))
  }
  t.same(asked, [live, user, theApp, theApp, theApp])
  t.throws(() => attachToken(deps, withScopes, guarded({ caller: app })), { code: 'SG_ACCESS_DENIED' }, 'no user is behind it')
})

t.test('C14.4 attachToken tells an API client what to get, and never to sign in', async t => {
  const rows = [
    [{ reason: 'sign_in_required' }, 'SG_TOKEN_INVALID', { error: 'invalid_token' }],
    [{ reason: 'interaction_required' }, 'SG_TOKEN_INVALID', { error: 'invalid_token' }],
    [{ reason: 'mfa_required', claims: '{"a":1}' }, 'SG_ACCESS_DENIED', { error: 'insufficient_claims', claims: '{"a":1}' }],
    [{ reason: 'consent_required' }, 'SG_CONSENT_NEEDED', undefined]
  ] as const
  for (const [needed, code, challenge] of rows) {
    const deps = world({ acquire: async () => ({ kind: 'sign-in-needed', scopes: [], endSession: false, ...needed }) })
    const waiting = attachToken(deps, withScopes, guarded({ caller: callerOf(false) }))
    const refused = await Promise.resolve(waiting).catch((error: Error) => error)
    t.match(refused, { code })
    t.same(bearerChallengeOf(refused as Error), challenge)
    t.same(deps.ended, [])
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
