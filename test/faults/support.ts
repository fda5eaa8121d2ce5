/**
 * This file is what the fault tests have in common: two gateways on one store, everybody who may meet a fault there, and what
 * has to hold for each of them while it lasts and when it is over (security.md, F1 and C11).
 */
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { type Browser, createBrowser, type Reply } from '../support/browser.ts'
import { startEntra, startGateway, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { heardMs, type RedisServer, until } from '../support/redis.ts'
import { reachCallback } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

export interface FaultWorld {
  readonly entra: Awaited<ReturnType<typeof startEntra>>
  /** Users sign in at the first; the second does not know their sessions before they come. */
  readonly replicas: readonly [TestGateway, TestGateway]
  readonly at: (replica: TestGateway, path: string) => string
  /** Signs in at the first replica, which then has the session and a token ready. */
  readonly signIn: () => Promise<Browser>
  /** A sign-in at the first replica that has come to the provider's answer. */
  readonly arrive: () => Promise<{ browser: Browser, callback: string }>
}

const scope = 'api://orders/Orders.Read'
const user = 'alice@contoso.example'

interface FaultWorldParts {
  /** Where the store is, as the config says it. */
  readonly redis: object
  readonly session?: Record<string, unknown>
  /** One that lives longer than this world. */
  readonly entra?: FaultWorld['entra']
}

export async function startFaultWorld (t: Test, { redis, session = {}, entra: shared }: FaultWorldParts): Promise<FaultWorld> {
  const entra = shared ?? await startEntra(t)
  const app = await startUpstream(t)
  const publicUrl = `http://localhost:${await freePort()}`
  const keys = [{ id: 'k1', key: randomBytes(32).toString('base64') }]
  const [one, two] = await Promise.all([1, 2].map(async () => await startGateway(t, {
    emulator: entra,
    upstreams: { orders: { url: app.origin, scopes: [scope] } },
    routes: [
      { path: '/public/*', upstream: 'orders', access: 'public', token: 'none' },
      { path: '/*', upstream: 'orders' }
    ],
    server: { publicUrl },
    entra: { initialScopes: [scope] },
    session,
    store: { type: 'redis', redis },
    keys
  }))) as [TestGateway, TestGateway]
  const at = (replica: TestGateway, path: string): string => `http://localhost:${replica.port}${path}`

  async function arrive (): Promise<{ browser: Browser, callback: string }> {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    const { pathname, search } = await reachCallback(browser, at(one, ''), { at: '/x' })
    return { browser, callback: at(one, pathname + search) }
  }

  async function signIn (): Promise<Browser> {
    const { browser, callback } = await arrive()
    const done = await browser.visit(callback)
    if (done.status !== 303) throw new Error(`signing in ended with ${done.status} ${done.body}`)
    const warm = await browser.visit(at(one, '/x'))
    if (warm.status !== 200) throw new Error(`the first request was answered with ${warm.status} ${warm.body}`)
    return browser
  }

  return { entra, replicas: [one, two], at, signIn, arrive }
}

/** Everybody who may meet a fault. */
export interface Cast {
  /** Has a session in the memory of the first replica, with a ready token. */
  readonly known: Browser
  /** Has a session that the second replica has not seen. */
  readonly unseen: Browser
  /** Is about to sign out at the first replica. */
  readonly leaving: Browser
  /** Is on the way back from the provider. */
  readonly arriving: { readonly browser: Browser, readonly callback: string }
  /** Has no session. */
  readonly stranger: Browser
}

export async function startCast (t: Test, { entra, signIn, arrive }: FaultWorld): Promise<Cast> {
  const [known, unseen, leaving] = [await signIn(), await signIn(), await signIn()]
  return { known, unseen, leaving, arriving: await arrive(), stranger: createBrowser(t, { ca: entra.caPem, user }) }
}

/** What differs from one fault to another. */
export interface FaultOutcome {
  /** A session that has to be read: 200 where the store can still be read, either where that may end any time. */
  readonly unseen: 200 | 503 | 'either'
  /** A sign-out: 303 where the store can still delete. Never a 303 that did not end the session. */
  readonly signOut: 303 | 503
  /** Whether a stranger is sent to the provider: only while nothing says that the store is away. */
  readonly stranger: 'refused' | 'sent to sign in'
}

export const away: FaultOutcome = { unseen: 503, signOut: 503, stranger: 'refused' }

/** Within this a store that does not answer has been answered for: its deadline is 500 ms; the rest is for slow machines. */
const soonMs = 1500

/** Everybody comes at once, as in life, and nobody waits for longer than that. */
export async function meetFault (
  t: Test, { replicas: [one, two], at, entra }: FaultWorld, cast: Cast, outcome: FaultOutcome
): Promise<void> {
  const { known, unseen, leaving, arriving, stranger } = cast
  const authorized = (): number => entra.requests().filter(({ endpoint }) => endpoint === 'authorize').length
  const [before, startedAt] = [authorized(), performance.now()]
  const replies = await Promise.all([
    known.visit(at(one, '/x')), known.fetch(at(one, '/x')), stranger.fetch(at(two, '/public/x')), unseen.visit(at(two, '/x')),
    unseen.fetch(at(two, '/x')), unseen.visit(at(two, '/.auth/login')), leaving.visit(at(one, '/.auth/logout')), arriving.browser.visit(arriving.callback)
  ]) as [Reply, Reply, Reply, Reply, Reply, Reply, Reply, Reply]
  const tookMs = performance.now() - startedAt
  t.ok(tookMs < soonMs, `all were answered soon: ${Math.round(tookMs)} ms`)
  const [warm, warmScript, open, cold, coldScript, login, signOut, callback] = replies
  for (const reply of [warm, warmScript]) {
    t.equal(reply.status, 200, 'a session that this replica knows goes on')
    t.match(reply.json().headers.authorization, /^Bearer eyJ/, 'with its token')
  }
  t.equal(open.status, 200, 'a public route needs no store')
  for (const reply of [cold, coldScript]) {
    const isRead = outcome.unseen === 200 || (outcome.unseen === 'either' && reply.status === 200)
    isRead ? t.equal(reply.status, 200) : isAway(t, reply, 'an unseen session')
  }
  if (outcome.unseen === 503) isAway(t, login, 'a sign-in of somebody who may be signed in')
  outcome.signOut === 303 ? t.equal(signOut.status, 303) : isAway(t, signOut, 'a sign-out that has not happened')
  isAway(t, callback, 'a sign-in that cannot be stored')
  t.notOk(arriving.browser.cookies(callback.url).has('scopegate'), 'nobody is half signed in')
  if (outcome.stranger === 'refused') {
    isAway(t, await stranger.go(at(one, '/x')), 'a sign-in that could not be finished')
    t.equal(authorized(), before, 'nobody is sent to the provider')
  }
}

/** The store is away: nobody is told to sign in, no cookie is touched. */
export function isAway (t: Test, reply: Reply, who: string): void {
  t.match(reply, { status: 503, headers: { 'scopegate-error': 'SG_STORE_UNAVAILABLE' } }, `${who}: 503`)
  t.equal(reply.headers.location, undefined, `${who}: no redirect`)
  t.equal(reply.headers['set-cookie'], undefined, `${who}: no cookie set or cleared`)
}

/** Waits until both replicas hear messages: at that moment they forget all that they know. */
export async function untilHeard (servers: readonly RedisServer[]): Promise<void> {
  await until('both replicas hear messages', async () => {
    const counts = await Promise.all(servers.map(async server => (await server.cli('pubsub', 'numsub', 'scopegate:session-ended')).split('\n')[1]))
    return counts.reduce((sum, count) => sum + Number(count), 0) === 2
  })
}

export interface Recovery {
  /** `late` when the store may carry out commands after their answer was given up: the state of a callback is then used. */
  readonly claims: 'none' | 'late'
  readonly signOut: 303 | 503
}

/** Both replicas find the store by themselves; the first request of everybody works; nobody was signed in or out. */
export async function meetRecovery (
  t: Test, { replicas: [one, two], at }: FaultWorld, cast: Cast, { claims, signOut }: Recovery
): Promise<void> {
  const { known, unseen, leaving, arriving, stranger } = cast
  // What a reconnection may take: the longest back-off, a connection, and a check (docs/redis.md). Twice that on a slow machine.
  await until('both replicas have the store back', () => one.isReady() && two.isReady(), 10_000)
  for (const replica of [one, two]) {
    for (const browser of [known, unseen]) t.equal((await browser.visit(at(replica, '/x'))).status, 200, 'the first request works')
    const stays = await leaving.visit(at(replica, '/x'))
    t.equal(stays.status, signOut === 503 ? 200 : 302, 'a refused sign-out was none, another was one')
    t.equal((await stranger.fetch(at(replica, '/x'))).status, 401)
  }
  const again = await arriving.browser.visit(arriving.callback)
  const isIn = again.status === 303
  t.ok(isIn || (claims === 'late' && again.headers['scopegate-error'] === 'SG_SIGN_IN_EXPIRED'), `the same callback again: ${again.status}`)
  t.equal((await arriving.browser.fetch(at(two, '/x'))).status, isIn ? 200 : 401)
  await signOutHolds(t, { replicas: [one, two], at }, known)
}

/** A sign-out at one replica is one at the other, long before its copy of the session ends, whoever keeps the cookie. */
export async function signOutHolds (t: Test, { replicas: [one, two], at }: Pick<FaultWorld, 'replicas' | 'at'>, browser: Browser): Promise<void> {
  const cookie = browser.cookies(at(one, '/')).get('scopegate')!
  t.equal((await browser.visit(at(one, '/.auth/logout'))).status, 303)
  browser.setCookie(at(one, '/'), 'scopegate', cookie)
  for (const replica of [one, two]) {
    await until('the sign-out is known', async () => (await browser.fetch(at(replica, '/x'))).status === 401, heardMs)
  }
}
