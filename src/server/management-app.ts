/**
 * This file builds the Fastify instance behind the management listener. It shares neither routes nor hooks with the public
 * one: no request that arrives at one of them can reach what the other serves.
 */
import { randomUUID } from 'node:crypto'
import { fastify, LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import { type ManagementScope, managementRoutes } from '../management/routes.ts'
import { hasBody } from '../proxy/request-body.ts'
import type { Logger } from '../telemetry/log.ts'
import { answerProblem, ownAnswerHeaders } from './answers.ts'
import { keepBodiesOpaque } from './bodies.ts'

/**
 * Probes leave no line in the log, which they would fill; what was done to sessions does.
 *
 * @throws what Fastify throws for routes that contradict each other: a bug
 */
export async function buildManagementApp (scope: ManagementScope, log: Logger): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    childLoggerFactory: parent => parent,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    // A target that cannot be decoded is an unknown path, not an occasion to repeat it in an answer.
    frameworkErrors: (error, request, reply) => answerProblem(asUnknown(error), request, reply as FastifyReply)
  }) as unknown as FastifyInstance
  keepBodiesOpaque(app)
  app.addHook('onRequest', refuseBody)
  app.addHook('onSend', ownAnswerHeaders({ providerOrigin: '' }))
  app.setErrorHandler((error: Error, request, reply) => answerProblem(error, request, reply))
  managementRoutes(app, scope)
  await app.ready()
  return app
}

function asUnknown (cause: Error): Error {
  return new errors.SG_ROUTE_UNKNOWN({ cause })
}

async function refuseBody (request: FastifyRequest): Promise<void> {
  if (hasBody(request.raw)) throw new errors.SG_BODY_TOO_LARGE()
}
