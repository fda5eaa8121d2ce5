/** This file is /authorize, /adminconsent, and the posts of their pages. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { EntraError } from '../errors/entra-error.ts'
import { createFlow, requireFlow } from '../flows.ts'
import { logError } from '../http/log-request.ts'
import { parametersOf, segmentOf } from '../http/parameters.ts'
import { traceOf } from '../http/trace.ts'
import { errorPage } from '../pages/error.ts'
import { sendPage } from '../pages/send.ts'
import type { Flow } from '../state.ts'
import type { World } from '../world.ts'
import { ACTIONS } from './actions.ts'
import { findReplyAddress, type Parameters } from './address.ts'
import { finish } from './finish.ts'
import { replyError } from './reply.ts'
import { isSignInFlow, STEPS } from './steps.ts'
import { startVisit, type Visit } from './visit.ts'

export function registerAuthorizeEndpoint (app: FastifyInstance, world: World): void {
  app.route({
    method: ['GET', 'POST'],
    url: '/:tenant/oauth2/v2.0/authorize',
    config: { endpoint: 'authorize' },
    errorHandler: (error, request, reply) => answerError(error, { request, reply }, originOf(request), world),
    handler: (request, reply) => begin('authorize', parametersOf(request), { request, reply }, world)
  })
  app.get('/:tenant/v2.0/adminconsent', {
    config: { endpoint: 'adminconsent' },
    errorHandler: (error, request, reply) => answerError(error, { request, reply }, originOf(request), world)
  }, (request, reply) => begin('admin-consent', adminConsentParameters(request), { request, reply }, world))
  app.post('/flow/:action', {
    config: { endpoint: 'flow' },
    errorHandler: (error, request, reply) => answerError(error, { request, reply }, world.state.flows.get(parametersOf(request).flow ?? ''), world)
  }, (request, reply) => act(request, reply, world))
}

/** What an error needs to find its way back to the app. */
type Origin = Pick<Flow, 'tenantName' | 'parameters'>

const originOf = (request: FastifyRequest): Origin => ({ tenantName: segmentOf(request, 'tenant'), parameters: parametersOf(request) })

/** Admin consent is a sign-in that ends without a code. */
function adminConsentParameters (request: FastifyRequest): Record<string, string> {
  return { scope: 'openid', ...parametersOf(request), response_type: 'code', response_mode: 'query' }
}

async function begin (kind: keyof typeof STEPS, parameters: Parameters, http: Visit['http'], world: World): Promise<FastifyReply> {
  const flow = createFlow(kind, segmentOf(http.request, 'tenant'), { ...parameters }, world)
  return await proceed(startVisit(flow, http, world))
}

async function act (request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  const flow = requireFlow(parametersOf(request).flow, world)
  const name = segmentOf(request, 'action')
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
  if (action === undefined || !isSignInFlow(flow)) throw new EntraError(90100, { onPage: true })
  const visit = startVisit(flow, { request, reply }, world)
  action(visit)
  return await proceed(visit)
}

async function proceed (visit: Visit): Promise<FastifyReply> {
  for (const step of STEPS[visit.flow.kind as keyof typeof STEPS]) {
    const page = step(visit)
    if (page !== undefined) return sendPage(visit.http.reply, page)
  }
  return await finish(visit)
}

/** Redirects the error to the app, unless it belongs on a page or there is no trustworthy address. */
function answerError (error: unknown, { request, reply }: Visit['http'], origin: Origin | undefined, world: World): FastifyReply {
  if (!(error instanceof EntraError)) throw error
  logError(request, error.code)
  const trace = traceOf(request, world)
  const isSilent = origin?.parameters.prompt === 'none'
  const address = origin === undefined ? undefined : findTrustedAddress(origin, world)
  const staysHere = address === undefined || (error.options.onPage === true && !isSilent)
  if (staysHere) return sendPage(reply, errorPage(error, trace, world.quirks.errorPageStatus))
  return replyError(reply, address, error, { trace, world, isSilent })
}

function findTrustedAddress ({ parameters, tenantName }: Origin, world: World) {
  try {
    return findReplyAddress(parameters, tenantName, world)
  } catch (error) {
    if (error instanceof EntraError) return undefined
    throw error
  }
}
