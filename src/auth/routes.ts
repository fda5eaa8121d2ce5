/**
 * This file is the `/.auth` scope: paths and methods. Everything below that prefix is answered here, never proxied.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { IdentityProvider } from '../identity/provider.ts'
import type { SessionLifecycle } from '../session/lifecycle.ts'
import type { SessionLimits } from '../session/session.ts'
import type { Store } from '../store/store.ts'
import { callback } from './callback.ts'
import { login } from './login.ts'
import { loggedOut, logout } from './logout.ts'
import { me } from './me.ts'
import { frontChannelLogout } from './provider-logout.ts'
import type { SignInNeeds } from './need.ts'
import type { Rounds } from './rounds.ts'
import type { Transactions } from './transaction.ts'

/** What the endpoints work with. */
export interface AuthScope {
  readonly provider: IdentityProvider
  readonly lifecycle: SessionLifecycle
  readonly transactions: Transactions
  readonly needs: SignInNeeds
  readonly rounds: Rounds
  readonly store: Store
  readonly publicUrl: URL
  /** Whose sign-out page may frame ours. */
  readonly providerOrigin: string
  /** The session cookie's name; our other cookies are called `<name>.<something>`. */
  readonly cookieName: string
  readonly initialScopes: readonly string[]
  readonly limits: SessionLimits
  readonly now: () => number
}

type Endpoint = (scope: AuthScope, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** Registers the endpoints in a scope of their own: only here is there @fastify/session. */
export async function authRoutes (app: FastifyInstance, scope: AuthScope): Promise<void> {
  await scope.lifecycle.register(app)
  const on = (method: 'GET' | 'POST', url: string, endpoint: Endpoint): void => {
    app.route({ method, url, handler: (request, reply) => endpoint(scope, request, reply) })
  }
  on('GET', '/.auth/login', login)
  on('GET', '/.auth/login/aad', login)
  on('GET', '/.auth/callback', callback)
  on('GET', '/.auth/logout', logout)
  on('POST', '/.auth/logout', logout)
  on('GET', '/.auth/logout/done', loggedOut)
  on('GET', '/.auth/frontchannel-logout', frontChannelLogout)
  on('GET', '/.auth/me', me)
  app.all('/.auth', unknownEndpoint)
  app.all('/.auth/*', unknownEndpoint)
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
