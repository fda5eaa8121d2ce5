/**
 * This file makes the Fastify instance that requests are routed by: its router, and what its requests carry.
 */
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { CompiledConfig } from '../config/compile.ts'
import type { Logger } from '../telemetry/log.ts'
import { keepBodiesOpaque } from './bodies.ts'
import type { RequestIdOf } from './request-id.ts'

/**
 * What guards find out is written on the request without having been declared with `decorateRequest`: Fastify would write every
 * declared property into every request, by a computed name, which is slower than all guards together.
 */
export function createApp (log: Logger, { table }: CompiledConfig, requestIdOf: RequestIdOf): FastifyInstance {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    // One logger for all requests: a child of it for each costs more than the rest of a log line.
    childLoggerFactory: parent => parent,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    exposeHeadRoutes: false,
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, ignoreDuplicateSlashes: false, maxParamLength: 8192 }
  }) as unknown as FastifyInstance
  const methods = new Set(table.flatMap(entry => entry.methods))
  // Bodies are not parsed here, so for Fastify the methods it has to be told of have none.
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: false })
  keepBodiesOpaque(app)
  return app
}
