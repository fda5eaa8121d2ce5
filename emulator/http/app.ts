/** This file assembles the HTTP side: what every request passes, and which part answers it. */
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { registerAuthorizeEndpoint } from '../authorize/endpoint.ts'
import { errorBody } from '../errors/body.ts'
import { EntraError } from '../errors/entra-error.ts'
import { registerMetadata } from '../metadata/routes.ts'
import { STYLE } from '../pages/style.ts'
import { registerTokenEndpoint } from '../token/endpoint.ts'
import type { TlsIdentity } from '../tls/authority.ts'
import type { World } from '../world.ts'
import { injectFault } from './inject-fault.ts'
import { loggedParametersOf, registerParsers } from './parameters.ts'
import { setCommonHeaders, traceOf } from './trace.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Name of the endpoint in the request log and in faults. */
    endpoint?: string
  }
}

/** Code lengths and state make authorize URLs long, ID token hints make logout URLs longer. */
const MAX_HEADER_BYTES = 64 * 1024

export function createApp (world: World, tls: TlsIdentity | undefined): FastifyInstance {
  const http = { maxHeaderSize: MAX_HEADER_BYTES }
  const options = { forceCloseConnections: true, routerOptions: { maxParamLength: 500 }, exposeHeadRoutes: false }
  const app = tls === undefined
    ? Fastify({ ...options, http })
    : Fastify({ ...options, https: { ...http, key: tls.privateKeyPem, cert: tls.certificatePem + tls.caPem } }) as unknown as FastifyInstance
  registerParsers(app)
  app.addHook('preHandler', async (request, reply) => { logRequest(request, reply, world) })
  app.addHook('preHandler', (request, reply) => injectFault(request, reply, world))
  app.addHook('onSend', async (request, reply) => { setCommonHeaders(request, reply, world) })
  app.setErrorHandler<FastifyError | EntraError>((error, request, reply) => answerError(error, request, reply, world))
  app.setNotFoundHandler(async (request, reply) => { logRequest(request, reply, world); return await reply.code(404).send({ error: 'not_found' }) })
  app.get('/emulator.css', async (_request, reply) => await reply.header('cache-control', 'max-age=3600').type('text/css').send(STYLE))
  registerMetadata(app, world)
  registerTokenEndpoint(app, world)
  registerAuthorizeEndpoint(app, world)
  return app
}

/** Status and error code are filled in when the answer is complete. */
function logRequest (request: FastifyRequest, reply: FastifyReply, world: World): void {
  const entry = world.requests.add({
    at: new Date(world.clock.now()).toISOString(),
    method: request.method,
    path: request.url.split('?')[0]!,
    endpoint: request.routeOptions.config.endpoint ?? 'unknown',
    status: 0,
    aadsts: null
  }, loggedParametersOf(request))
  reply.raw.once('finish', () => { entry.status = reply.statusCode })
}

/** Protocol errors are JSON; anything else is a defect of the emulator, shown as one. */
async function answerError (error: FastifyError | EntraError, request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  if (error instanceof EntraError) {
    const body = errorBody(error, traceOf(request, world), { origin: world.origin, style: world.quirks.descriptionStyle })
    return await reply.code(error.status).send(body)
  }
  const status = error.statusCode ?? 500
  if (status >= 500) console.error(error)
  return await reply.code(status).send({ error: 'emulator_defect', error_description: error.message })
}
