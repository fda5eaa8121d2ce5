/**
 * This file tells programs who is signed in: `GET /.auth/me`, in the shape of App Service Authentication.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { displayName, principalClaims } from '../session/principal.ts'
import { signInChallenge } from './need.ts'
import type { AuthScope } from './routes.ts'

/** Answers with the user, never with a token; `[]` and 401 when nobody is signed in. Does not extend the session. */
export async function me (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const current = scope.lifecycle.current(request)
  if (current === undefined) {
    reply.header('www-authenticate', signInChallenge({ reason: 'sign_in_required', scopes: [] }, '/.auth/login'))
    return reply.code(401).send([])
  }
  const { claims, absoluteEndsAt } = current.session
  return reply.send([{
    provider_name: 'aad',
    user_id: displayName(claims),
    user_claims: principalClaims(claims),
    // .NET's round-trip format has seven decimals.
    expires_on: new Date(absoluteEndsAt).toISOString().replace(/Z$/, '0000Z')
  }])
}
