/**
 * This file makes Entra answer with every error of test/flows/entra-errors.yaml, in every place where it can come up, and looks
 * at what the user gets, as a navigation and as a script, and what the log says.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Fault } from '../../emulator/admin/faults.ts'
import type { Aadsts } from '../../emulator/errors/catalogue.ts'
import { type EntraError, type Outcome, readErrors } from '../../scripts/entra-errors.ts'
import { configWith } from '../emulator/support/config.ts'
import { type Browser, createBrowser, type Reply } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { reachCallback } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const { errors, outcomes } = readErrors(join(import.meta.dirname, '../..'))
const kinds = ['navigation', 'fetch'] as const
const claims = { access_token: { capolids: { essential: true, values: ['88888888-8888-4888-8888-888888888881'] } } }
const scope = 'api://reports/Reports.Read'

/** One user per case: what is remembered of one must not decide another. */
const upns = Array.from({ length: errors.length * 3 * kinds.length }, (_, n) => `user-${n}@contoso.example`)
const entra = await startEntra(t, {
  config: configWith({
    users: Object.fromEntries(upns.map(upn => [upn, { name: upn }])),
    tenant: { grants: [['api://orders', 'Orders.Read'], ['api://reports', 'Reports.Read']].map(([resource, value]) => ({ client: 'Gateway', resource: resource!, scopes: [value!] })) }
  })
})
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/reports/*', upstream: 'app', scopes: [scope] }, { path: '/*', upstream: 'app' }],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { url } = gateway

interface Visitor {
  readonly browser: Browser
  readonly upn: string
  readonly kind: typeof kinds[number]
}

/** Begins with a user whom nothing is known of. */
function newVisitor (t: Test, kind: Visitor['kind']): Visitor {
  const upn = upns.pop()!
  return { browser: createBrowser(t, { ca: entra.caPem, user: upn }), upn, kind }
}

async function ask ({ browser, kind }: Visitor, target: string): Promise<Reply> {
  return kind === 'navigation' ? await browser.visit(target) : await browser.fetch(target)
}

/** The next request there meets this error, and only that. */
function prepare (endpoint: string, aadsts: number, match: Fault['match'] = {}): void {
  entra.admin.clearFaults()
  entra.admin.fault({ endpoint, aadsts: aadsts as Aadsts, match, ...(endpoint === 'token' ? { claims } : {}) })
}

const refreshes = { grant_type: 'refresh_token' }

interface Met {
  readonly reply: Reply
  /** What was logged for it. */
  readonly lines: any[]
}

async function meet (visitor: Visitor, target: string): Promise<Met> {
  const before = gateway.logged().length
  const reply = await ask(visitor, target)
  // The line of the request comes last.
  while (!/"path":"[^"]*"[^\n]*\n$/.test(gateway.logged().slice(before))) await new Promise(resolve => { setTimeout(resolve, 2) })
  const lines = gateway.logged().slice(before).split('\n').filter(line => line !== '').map(line => JSON.parse(line))
  return { reply, lines }
}

function checkLog (t: Test, lines: any[], log: string, aadsts: number): void {
  const [level, word] = log.split(' ')
  const line = lines.find(({ event, code }) => event === word || code === word)
  t.equal(line?.level, level, `a line ${log}`)
  // An answer of 5xx is not looked into.
  t.match(line?.cause, word === 'SG_PROVIDER_UNAVAILABLE' ? /AADSTS|StsError sts_/ : `AADSTS${aadsts}`, 'with the number')
}

function checkAnswer (t: Test, { reply, lines }: Met, { outcome, kind, aadsts }: { outcome: Outcome, kind: Visitor['kind'], aadsts: number }): void {
  t.equal(reply.status, outcome[kind])
  if (outcome[kind] >= 400) t.equal(reply.headers['scopegate-error'], outcome.code)
  if (kind === 'fetch' && outcome.reason !== undefined) t.equal(reply.json().reason, outcome.reason)
  if (outcome.code === 'SG_PROVIDER_UNAVAILABLE') t.match(reply.headers['retry-after'], /^\d+$/)
  t.notMatch(reply.body, /AADSTS/)
  checkLog(t, lines, outcome.log, aadsts)
}

/** What the sign-in asks Entra for that an answer leads to. */
async function askedOf (browser: Browser, reply: Reply): Promise<URLSearchParams> {
  const loginUrl = reply.status === 401 ? url + String(reply.json().loginUrl) : reply.location()
  return new URL((await browser.visit(loginUrl)).location()).searchParams
}

async function renew (t: Test, { aadsts, renewal }: EntraError, kind: Visitor['kind']): Promise<void> {
  const outcome = outcomes[renewal!]!
  const visitor = newVisitor(t, kind)
  const { browser } = visitor
  t.equal((await browser.go(`${url}/x`)).status, 200)
  const seen = app.seen.length
  prepare('token', aadsts, refreshes)
  checkAnswer(t, await meet(visitor, `${url}/reports/1`), { outcome, kind, aadsts })
  t.equal(app.seen.length, seen, 'the upstream was not reached')
  t.equal((await browser.fetch(`${url}/x`)).status, renewal === 'ends' ? 401 : 200, 'the session')
  if (outcome.code !== 'SG_SIGN_IN_REQUIRED' || renewal === 'ends') return
  prepare('token', aadsts, refreshes)
  const asked = await askedOf(browser, (await meet(visitor, `${url}/reports/1`)).reply)
  t.ok(asked.get('scope')?.split(' ').includes(scope), 'the sign-in asks for the scope of the route')
  if (renewal === 'mfa') t.match(asked.get('claims'), 'capolids', 'and for what the policy wants')
  if (renewal !== 'once') return
  await browser.go(`${url}/.auth/login?post_login_redirect_uri=%2Fx`)
  prepare('token', aadsts, refreshes)
  checkAnswer(t, await meet(visitor, `${url}/reports/1`), { outcome: outcomes.refused!, kind, aadsts })
}

async function redeem (t: Test, { aadsts, redemption }: EntraError, kind: Visitor['kind']): Promise<void> {
  const visitor = newVisitor(t, kind)
  const callback = await reachCallback(visitor.browser, url, { user: visitor.upn, at: '/x' })
  prepare('token', aadsts, { grant_type: 'authorization_code' })
  const met = await meet(visitor, callback.href)
  checkAnswer(t, met, { outcome: outcomes[redemption!]!, kind, aadsts })
  t.equal(visitor.browser.cookies(url).get('scopegate'), undefined, 'no session')
  if (redemption === 'again') t.match((await askedOf(visitor.browser, met.reply)).get('claims'), 'capolids')
}

async function sendBack (t: Test, { aadsts, redirect }: EntraError, kind: Visitor['kind']): Promise<void> {
  const visitor = newVisitor(t, kind)
  const { browser } = visitor
  const { navigation, code, log, redirect: wanted = { status: navigation, code, log } } = outcomes[redirect!]!
  const login = await browser.visit(`${url}/.auth/login?post_login_redirect_uri=%2Fx`)
  prepare('authorize', aadsts)
  const callback = (await browser.visit(login.location())).location()
  t.match(callback, `AADSTS${aadsts}`)
  const { reply, lines } = await meet(visitor, callback)
  t.equal(reply.status, wanted.status)
  if (wanted.status === 503) t.match(reply.headers['retry-after'], /^\d+$/)
  t.equal(reply.headers['scopegate-error'], wanted.code)
  t.equal(reply.headers.location, undefined, 'no loop')
  t.equal(browser.cookies(url).get('scopegate'), undefined)
  if (kind === 'navigation') t.equal(/data-testid="admin-consent"/.test(reply.body), redirect === 'consent')
  checkLog(t, lines, wanted.log, aadsts)
}

for (const error of errors) {
  const places = { renewal: renew, redemption: redeem, redirect: sendBack }
  for (const [place, drive] of Object.entries(places)) {
    if (error[place as keyof typeof places] === undefined) continue
    for (const kind of kinds) {
      t.test(`C12.5 ${error.aadsts} ${place} ${kind}: ${error.meaning}`, async t => { await drive(t, error, kind) })
    }
  }
}

t.test('every row says where it comes up, and every outcome is used', async t => {
  const used = new Set<string>()
  for (const { aadsts, page, renewal, redemption, redirect, exchange, app } of errors) {
    const named = [renewal, redemption, redirect].filter(name => name !== undefined)
    t.equal(named.length > 0 || exchange !== undefined || app !== undefined, page !== true, String(aadsts))
    for (const name of named) used.add(name)
  }
  t.same([...used].sort(), Object.keys(outcomes).sort())
  t.equal(new Set(errors.map(({ aadsts }) => aadsts)).size, errors.length)
})
