/** This file assembles the HTTP side: what every request passes, and which part answers it. */
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Admin } from '../admin/operations.ts'
import { registerAdminApi } from '../admin/routes.ts'
import { registerDemoApi } from '../apis/demo-api.ts'
import { registerGraph } from '../apis/graph.ts'
import { registerAuthorizeEndpoint } from '../authorize/endpoint.ts'
import { errorBody } from '../errors/body.ts'
import { EntraError } from '../errors/entra-error.ts'
import { registerLogoutEndpoint } from '../logout/endpoint.ts'
import { registerMetadata } from '../metadata/routes.ts'
import { registerOverview } from '../overview.ts'
import { STYLE } from '../pages/style.ts'
import type { TlsIdentity } from '../tls/authority.ts'
import { registerTokenEndpoint } from '../token/endpoint.ts'
import type { World } from '../world.ts'
import { injectFault } from './inject-fault.ts'
import { logError, logRequest } from './log-request.ts'
import { registerParsers } from './parameters.ts'
import { setCommonHeaders, traceOf } from './trace.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Name of the endpoint in the request log and in faults. */
    endpoint?: string
  }
}

/** Codes and states make authorize URLs long, ID token hints make logout URLs longer. */
const MAX_HEADER_BYTES = 64 * 1024

export function createApp (world: World, admin: Admin, tls: TlsIdentity | undefined): FastifyInstance {
  const app = createServer(tls)
  registerParsers(app)
  app.addHook('preHandler', async (request, reply) => { logRequest(request, reply, world) })
  app.addHook('preHandler', (request, reply) => injectFault(request, reply, world))
  app.addHook('onSend', async (request, reply) => { setCommonHeaders(request, reply, world) })
  app.setErrorHandler<Failure>((error, request, reply) => answerError(error, request, reply, world))
  app.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ error: 'not_found' }))
  app.get('/emulator.css', async (_request, reply) => await reply.header('cache-control', 'max-age=3600').type('text/css').send(STYLE))
  registerMetadata(app, world)
  registerAuthorizeEndpoint(app, world)
  registerTokenEndpoint(app, world)
  registerLogoutEndpoint(app, world)
  registerGraph(app, world)
  registerDemoApi(app, world)
  registerOverview(app, admin, world)
  if (world.adminEnabled) registerAdminApi(app, admin, world)
  return app
}

/** Closing must not wait for hanging faults, hence the forced end of connections. */
function createServer (tls: TlsIdentity | undefined): FastifyInstance {
  const http = { maxHeaderSize: MAX_HEADER_BYTES }
  const options = { forceCloseConnections: true, exposeHeadRoutes: false } as const
  if (tls === undefined) return Fastify({ ...options, http })
  // Fastify's types tell an HTTPS instance from an HTTP one; to the routes they are the same.
  const https = { ...http, key: tls.privateKeyPem, cert: tls.certificatePem }
  return Fastify({ ...options, https }) as unknown as FastifyInstance
}

type Failure = FastifyError | EntraError

/** Protocol errors are JSON; anything else is a defect of the emulator, shown as one. */
async function answerError (error: Failure, request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  if (error instanceof EntraError) {
    logError(request, error.code)
    const body = errorBody(error, traceOf(request, world), { origin: world.origin, style: world.quirks.descriptionStyle })
    return await reply.code(error.status).send(body)
  }
  const status = error.statusCode ?? 500
  if (status >= 500) console.error(error)
  return await reply.code(status).send({ error: 'emulator_defect', error_description: error.message })
}
