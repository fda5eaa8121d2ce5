/** This file is the token endpoint. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { faultOf } from '../http/inject-fault.ts'
import { formOf, segmentOf } from '../http/parameters.ts'
import type { World } from '../world.ts'
import { TOKEN_CHECKS } from './checks.ts'
import type { TokenContext } from './context.ts'
import { issueTokens } from './issue.ts'

export function registerTokenEndpoint (app: FastifyInstance, world: World): void {
  app.post('/:tenant/oauth2/v2.0/token', { config: { endpoint: 'token' } }, (request, reply) => answerTokenRequest(request, reply, world))
}

async function answerTokenRequest (request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  const fault = faultOf(request)
  const context = createContext(request, world)
  for (const check of TOKEN_CHECKS) await check(context)
  const response = { ...await issueTokens(context), ...fault?.merge }
  return await reply.send(Object.fromEntries(Object.entries(response).filter(([, value]) => value !== null)))
}

/** The checks fill in the rest; see the comments of TokenContext. */
function createContext (request: FastifyRequest, world: World): TokenContext {
  return {
    world,
    request: {
      tenantName: segmentOf(request, 'tenant'),
      contentType: request.headers['content-type'] ?? '',
      authorization: request.headers.authorization,
      form: formOf(request),
      forgery: faultOf(request)?.idToken
    }
  } as TokenContext
}
