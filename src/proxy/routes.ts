/**
 * This file registers the configured routes. The array of guards below is the security policy of a request, in order.
 */
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, preHandlerHookHandler } from 'fastify'
import type { CompiledConfig, CompiledRoute, RouteEntry } from '../config/compile.ts'
import { errors } from '../errors.ts'
import { forward, type ForwardPlan } from './forward.ts'
import {
  attachToken, type Guard, type GuardDeps, loadSession, refuseCrossSite, refuseEncodedSlash, requireAccess, requireSession
} from './guards.ts'
import { type HeaderPolicy, requestHeaderWriter } from './request-headers.ts'
import { type ResponsePolicy, responseHeaderWriter } from './response-headers.ts'
import type { Upstreams } from './upstreams.ts'

export interface ProxyScope {
  readonly compiled: CompiledConfig
  readonly guards: GuardDeps
  readonly upstreams: Upstreams
  readonly headers: HeaderPolicy & ResponsePolicy
}

const guards: readonly Guard[] = [refuseEncodedSlash, loadSession, requireSession, refuseCrossSite, requireAccess, attachToken]

/** Registers every entry of the compiled table; whatever none of them matches is unknown, and only to the signed-in. */
export function proxyRoutes (app: FastifyInstance, scope: ProxyScope): void {
  for (const entry of scope.compiled.table) {
    if (entry.route === undefined) registerUnknown(app, scope, entry)
    else registerRoute(app, scope, entry, entry.route)
  }
  app.setNotFoundHandler({ preHandler: unknownGuards(scope) }, unknownRoute)
}

function registerRoute (app: FastifyInstance, scope: ProxyScope, entry: RouteEntry, route: CompiledRoute): void {
  const upstream = scope.upstreams.get(route.upstreamName)
  const plan: ForwardPlan = {
    route,
    upstream,
    writeRequestHeaders: requestHeaderWriter(route, scope.headers),
    writeResponseHeaders: responseHeaderWriter(route, scope.headers)
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
      ...guards.map(guard => hook(guard, scope.guards, route)),
      // Last, and never done: from here on the answer is the upstream's. The plugin's URL work is not run.
      function forwardToUpstream (request: FastifyRequest, reply: FastifyReply): void {
        // Only what is proxied keeps a session alive: a page that polls and gets 401 does not.
        if (request.live !== undefined) scope.guards.reader.touch(request.live)
        request.routeId = route.id
        forward(plan, request, reply)
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

function unknownGuards (scope: ProxyScope): preHandlerHookHandler[] {
  const route = { access: 'authenticated' } as CompiledRoute
  return [loadSession, requireSession].map(guard => hook(guard, scope.guards, route))
}

async function unknownRoute (): Promise<never> {
  throw new errors.SG_ROUTE_UNKNOWN()
}

/** A guard as a Fastify hook. Calls back at once when the guard did not have to wait: no promise on the usual path. */
function hook (guard: Guard, deps: GuardDeps, route: CompiledRoute): preHandlerHookHandler {
  const named = {
    [guard.name] (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
      let waiting: void | Promise<void>
      try {
        waiting = guard(deps, route, request)
      } catch (error) {
        done(error as Error)
        return
      }
      if (waiting === undefined) done()
      else waiting.then(() => done(), done)
    }
  }
  return named[guard.name]!
}
