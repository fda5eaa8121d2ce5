/** This file is an API that validates access tokens and answers with claims challenges, for clients to train on. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { findApp } from '../directory/find.ts'
import { parametersOf } from '../http/parameters.ts'
import type { World } from '../world.ts'
import { readBearer, type Caller } from './bearer.ts'

/**
 * Answers any path below `/demo-api` with what it saw of the token.
 *
 * Query: `scope` demands a scope (403 without), `acrs` an authentication context (challenge without), `audience` names
 * the API whose tokens are taken; without it, those of every app registered here.
 */
export function registerDemoApi (app: FastifyInstance, world: World): void {
  const config = { endpoint: 'demo-api' }
  app.route({ method: ['GET', 'POST', 'PUT', 'DELETE'], url: '/demo-api/*', config, handler: (request, reply) => answerCall(request, reply, world) })
}

async function answerCall (request: FastifyRequest, reply: FastifyReply, world: World): Promise<FastifyReply> {
  const { scope, acrs, audience } = parametersOf(request)
  const caller = await readBearer(request, world)
  if (caller === undefined || !isAudience(caller, audience, world)) return await challenge(reply, 'error="invalid_token"')
  if (isRevoked(caller, world)) {
    const issuedAfter = String(world.clock.seconds())
    return await challengeForClaims(reply, { access_token: { nbf: { essential: true, value: issuedAfter } } }, world)
  }
  if (acrs !== undefined && !contextsOf(caller).includes(acrs)) {
    return await challengeForClaims(reply, { access_token: { acrs: { essential: true, value: acrs } } }, world)
  }
  if (scope !== undefined && !caller.scopes.includes(scope)) return await reply.code(403).send({ error: 'insufficient_scope' })
  const { oid, uti, aud, scp, roles } = caller.claims
  return await reply.send({ path: request.url.split('?')[0], method: request.method, aud, oid, uti, scp, roles, acrs: contextsOf(caller) })
}

function isAudience ({ claims }: Caller, audience: string | undefined, { state }: World): boolean {
  const tenant = state.tenants.find(({ id }) => id === claims.tid)
  const app = tenant === undefined ? undefined : findApp(String(claims.aud), tenant, state.tenants)
  if (tenant === undefined || app === undefined) return false
  return audience === undefined || findApp(audience, tenant, state.tenants)?.clientId === app.clientId
}

/** `acrs` may be an array or a single string. */
function contextsOf ({ claims: { acrs } }: Caller): string[] {
  return Array.isArray(acrs) ? acrs.map(String) : typeof acrs === 'string' ? [acrs] : []
}

/** Continuous access evaluation: the user is disabled, or the token was revoked or ordered to be challenged. */
function isRevoked ({ user, claims }: Caller, { state }: World): boolean {
  return user?.state === 'disabled' || state.issued.get(String(claims.uti))?.revoked === true
}

function challengeForClaims (reply: FastifyReply, claims: unknown, world: World): Promise<FastifyReply> {
  const encoded = Buffer.from(JSON.stringify(claims)).toString('base64')
  return challenge(reply, `authorization_uri="${world.origin}/common/oauth2/v2.0/authorize", error="insufficient_claims", claims="${encoded}"`)
}

async function challenge (reply: FastifyReply, parameters: string): Promise<FastifyReply> {
  return await reply.code(401).header('www-authenticate', `Bearer realm="", ${parameters}`).send({ error: 'unauthorized' })
}
