/**
 * This file is what an API does with the bearer token of a request: verify it, look for the scope, or refuse (RFC 6750).
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, type JWTPayload } from 'jose'

/** Checks signature, issuer, audience and times of a token; throws jose's errors. */
export type Verify = (token: string) => Promise<JWTPayload>

/** What an API tells about the token that it was called with: enough to follow the demo, never the token itself. */
export interface Seen {
  /** The name that clients know the API by. */
  readonly api: string
  readonly aud: string
  readonly scp: string
  readonly name: string
}

class TokenRefused extends Error {
  readonly status: 401 | 403
  readonly challenge: string
  constructor (status: 401 | 403, challenge: string) {
    super(challenge)
    this.status = status
    this.challenge = challenge
  }
}

/** @returns the claims of a token that is valid and carries the scope; anything else ends in {@link answerRefusal} */
export async function requireToken (request: FastifyRequest, scope: string, verify: Verify): Promise<JWTPayload> {
  const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  // Without credentials a challenge says no more than how to bring some (RFC 6750, section 3.1).
  if (token === undefined) throw new TokenRefused(401, 'Bearer')
  const claims = await verify(token).catch((error: unknown) => {
    if (error instanceof errors.JOSEError) throw new TokenRefused(401, 'Bearer error="invalid_token"')
    throw error
  })
  const isGranted = String(claims.scp).split(' ').includes(scope)
  if (!isGranted) throw new TokenRefused(403, `Bearer error="insufficient_scope", scope="${scope}"`)
  return claims
}

/** @param claims - of a token that was verified */
export function describeToken (api: string, claims: JWTPayload): Seen {
  return { api, aud: String(claims.aud), scp: String(claims.scp), name: String(claims.name) }
}

/** The error handler of an API: a refusal becomes 401 or 403 with a challenge, everything else is left to Fastify. */
export async function answerRefusal (error: Error, _request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!(error instanceof TokenRefused)) throw error
  const { status, challenge } = error
  return await reply.code(status).header('www-authenticate', challenge).send({ error: challenge })
}
