/**
 * This file is the `/.auth` scope: paths and methods. Everything below that prefix is answered here, never proxied.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { IdentityProvider } from '../identity/provider.ts'
import type { SessionLifecycle } from '../session/lifecycle.ts'
import type { SessionLimits, User } from '../session/session.ts'
import type { Store } from '../store/store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { callback } from './callback.ts'
import { login } from './login.ts'
import { loggedOut, logout } from './logout.ts'
import { me } from './me.ts'
import { backChannelLogout, frontChannelLogout } from './provider-logout.ts'
import type { SignInNeeds } from './need.ts'
import type { Rates } from './rates.ts'
import type { Rounds } from './rounds.ts'
import type { Transactions } from './transaction.ts'

/** What the endpoints work with. */
export interface AuthScope {
  readonly provider: IdentityProvider
  readonly lifecycle: SessionLifecycle
  readonly transactions: Transactions
  readonly needs: SignInNeeds
  readonly rounds: Rounds
  readonly rates: Rates
  readonly store: Store
  readonly publicUrl: URL
  /** Whose sign-out page may frame ours. */
  readonly providerOrigin: string
  /** The session cookie's name; our other cookies are called `<name>.<something>`. */
  readonly cookieName: string
  readonly initialScopes: readonly string[]
  readonly limits: SessionLimits
  readonly nameInLog: (user: User) => string
  readonly metrics: Pick<Metrics, 'sessionEnded'>
  readonly now: () => number
}

type Endpoint = (scope: AuthScope, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
type EndpointEntry = readonly [method: 'GET' | 'POST', path: string, endpoint: Endpoint]

/** Called by programs, without a cookie. */
const forPrograms: readonly EndpointEntry[] = [['POST', '/.auth/backchannel-logout', backChannelLogout]]

const forBrowsers: readonly EndpointEntry[] = [
  ['GET', '/.auth/login', login],
  ['GET', '/.auth/login/aad', login],
  ['GET', '/.auth/callback', callback],
  ['GET', '/.auth/logout', logout],
  ['POST', '/.auth/logout', logout],
  ['GET', '/.auth/logout/done', loggedOut],
  ['GET', '/.auth/frontchannel-logout', frontChannelLogout],
  ['GET', '/.auth/me', me]
]

/** Whether there is an endpoint at a path below `/.auth`. */
export function isEndpoint (method: string, path: string): boolean {
  return [...forPrograms, ...forBrowsers].some(entry => entry[0] === method && entry[1] === path)
}

/** Registers the endpoints: those of browsers in a scope of their own. */
export async function authRoutes (app: FastifyInstance, scope: AuthScope): Promise<void> {
  registerAll(app, scope, forPrograms)
  await app.register(async browsers => await browserRoutes(browsers, scope))
}

/** Only here is there @fastify/session. */
async function browserRoutes (app: FastifyInstance, scope: AuthScope): Promise<void> {
  // Before the session is looked for: what is refused costs the store nothing.
  app.addHook('onRequest', async request => { scope.rates.countEndpoint(request.routeOptions.url ?? '', request.raw) })
  await scope.lifecycle.register(app)
  registerAll(app, scope, forBrowsers)
  app.all('/.auth', unknownEndpoint)
  app.all('/.auth/*', unknownEndpoint)
}

function registerAll (app: FastifyInstance, scope: AuthScope, entries: readonly EndpointEntry[]): void {
  for (const [method, url, endpoint] of entries) {
    app.route({ method, url, handler: async (request, reply) => await endpoint(scope, request, reply) })
  }
}

/**
 * The path to route. `/.auth` in any other spelling than the exact one is ours too, and is no endpoint: it must not reach a
 * route that would proxy it.
 *
 * @param path - the canonical path of the request
 * @param routed - the path that its route is looked up by; undefined when there is none for sure
 */
export function ownPath (path: string, routed: string | undefined): string {
  if (routed === undefined) return noEndpoint
  const isOurs = /^\/\.auth(?:\/|$)/i.test(routed)
  const isExact = path === routed && path.startsWith('/.auth')
  return isOurs && !isExact ? noEndpoint : routed
}

const noEndpoint = '/.auth/unknown'

async function unknownEndpoint (): Promise<never> {
  throw new errors.SG_ROUTE_UNKNOWN()
}
