/**
 * This file registers the configured routes. The array of guards below is the security policy of a request, in order.
 */
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, preHandlerHookHandler } from 'fastify'
import type { CompiledConfig, CompiledRoute, RouteEntry } from '../config/compile.ts'
import { errors } from '../errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { loadCaller, refuseUnlistedApp } from './callers.ts'
import { forward, type ForwardPlan } from './forward.ts'
import {
  attachToken, type Guard, type GuardDeps, limitInvalidCookies, loadSession, refuseCrossSite, refuseEncodedSlash, refuseUpgrade,
  requireAuthContext, requireSession
} from './guards.ts'
import { type HeaderPolicy, requestHeaderWriter } from './request-headers.ts'
import { requireAccess } from './require-access.ts'
import { type ResponsePolicy, responseHeaderWriter } from './response-headers.ts'
import { createStepUp, type StepUp } from './step-up.ts'
import type { Streams } from './streams.ts'
import { upgrade } from './upgrade.ts'
import type { Upstreams } from './upstreams.ts'

export interface ProxyScope {
  readonly compiled: CompiledConfig
  readonly guards: GuardDeps
  readonly upstreams: Upstreams
  readonly headers: HeaderPolicy & ResponsePolicy
  readonly streams: Streams
  readonly metrics: Pick<Metrics, 'overhead'>
}

const guards: readonly Guard[] = [
  refuseEncodedSlash, loadSession, limitInvalidCookies, loadCaller, requireSession, refuseCrossSite, refuseUpgrade,
  refuseUnlistedApp, requireAccess, requireAuthContext, attachToken
]

/** Registers every entry of the compiled table; whatever none of them matches is unknown, and only to the signed-in. */
export function proxyRoutes (app: FastifyInstance, scope: ProxyScope): void {
  const stepUp = createStepUp({ guards: scope.guards, scopeSets: scope.compiled.scopeSets })
  for (const entry of scope.compiled.table) {
    if (entry.route === undefined) registerUnknown(app, scope, entry)
    else registerRoute(app, { ...scope, stepUp }, entry, entry.route)
  }
  app.setNotFoundHandler({ preHandler: unknownGuards(scope) }, unknownRoute)
}

function registerRoute (
  app: FastifyInstance, scope: ProxyScope & { readonly stepUp: StepUp }, entry: RouteEntry, route: CompiledRoute
): void {
  const upstream = scope.upstreams.get(route.upstreamName)
  const plan: ForwardPlan = {
    route,
    upstream,
    writeRequestHeaders: requestHeaderWriter(route, scope.headers),
    writeResponseHeaders: responseHeaderWriter(route, scope.headers),
    streams: scope.streams,
    stepUp: route.claimsChallenge === 'handle' ? scope.stepUp : undefined
  }
  app.register(httpProxy, {
    upstream: route.upstreamUrl.origin,
    // Every connection to an upstream is made by our dispatcher, which verifies TLS; the plugin's own would not.
    undici: upstream.dispatcher as never,
    httpMethods: [...entry.methods],
    routes: [entry.path],
    constraints: entry.host === undefined ? {} : { host: entry.host },
    config: { route: route.id },
    internalRewriteLocationHeader: false,
    proxyPayloads: false,
    preHandler: [
      passing(guards, scope.guards, route),
      // Last, and never done: from here on the answer is the upstream's. The plugin's URL work is not run.
      function forwardToUpstream (request: FastifyRequest, reply: FastifyReply): void {
        // Only what is proxied keeps a session alive: a page that polls and gets 401 does not.
        if (request.live !== undefined) scope.guards.reader.touch(request.live)
        request.routeId = route.id
        scope.metrics.overhead(reply.elapsedTime / 1000)
        if (route.websocket && request.raw.headers.upgrade !== undefined) upgrade(plan, request, reply)
        else forward(plan, request, reply)
      }
    ] as never
  })
}

/** A known path with a method that no route lists: it must not fall through to a broader route. */
function registerUnknown (app: FastifyInstance, scope: ProxyScope, entry: RouteEntry): void {
  app.route({
    method: [...entry.methods] as HTTPMethods[],
    url: entry.path,
    constraints: entry.host === undefined ? {} : { host: entry.host },
    preHandler: unknownGuards(scope),
    handler: unknownRoute
  })
}

function unknownGuards (scope: ProxyScope): preHandlerHookHandler {
  return passing([loadSession, limitInvalidCookies, loadCaller, requireSession], scope.guards, { access: 'authenticated' } as CompiledRoute)
}

async function unknownRoute (): Promise<never> {
  throw new errors.SG_ROUTE_UNKNOWN()
}

/** Guards as one Fastify hook. It calls back at once when none of them had to wait: no promise on the usual path. */
function passing (all: readonly Guard[], deps: GuardDeps, route: CompiledRoute): preHandlerHookHandler {
  function passFrom (start: number, request: FastifyRequest): void | Promise<void> {
    for (let i = start; i < all.length; i++) {
      const waiting = all[i]!(deps, route, request)
      if (waiting !== undefined) return waiting.then(async () => { await passFrom(i + 1, request) })
    }
  }
  return function passGuards (request, _reply, done) {
    let waiting: void | Promise<void>
    try {
      waiting = passFrom(0, request)
    } catch (error) {
      done(error as Error)
      return
    }
    if (waiting === undefined) done()
    else waiting.then(() => done(), done)
  }
}
