/** This file reads the user's access token that a middle-tier API presents (on-behalf-of). */
import { errors } from 'jose'
import { EntraError } from '../../errors/entra-error.ts'
import { verifyToken, type Claims } from '../../tokens/sign.ts'
import type { Subject, TokenContext } from '../context.ts'
import { requireUser } from './find-grant.ts'

/** @throws EntraError 50013 signature or kind of token, 500131 audience, 500133 time */
export async function readUserAssertion (context: TokenContext): Promise<Subject> {
  const { parameters, client, world } = context
  const claims = await verifyAssertion(parameters.assertion!, context)
  const audiences = [client.clientId, `api://${client.clientId}`, ...client.identifierUris]
  if (!audiences.includes(String(claims.aud))) throw new EntraError(500131)
  // ID tokens and app-only tokens have no `scp`: neither says that a user let this API act.
  if (typeof claims.scp !== 'string') throw new EntraError(50013, { detail: 'Only access tokens of a user are accepted.' })
  const owner = { tenantId: String(claims.tid), oid: String(claims.oid) }
  const issued = world.state.issued.get(String(claims.uti))
  const authAt = Number(claims.iat) * 1000
  return {
    user: requireUser(context, owner),
    authentication: issued?.authentication ?? { ...owner, sid: String(claims.sid ?? ''), amr: ['pwd'], authAt, mfaAt: 0 },
    platform: 'web',
    scope: '',
    claims: null,
    nonce: null,
    isRevoked: issued?.revoked ?? false,
    grantedAt: world.clock.now()
  }
}

async function verifyAssertion (assertion: string, { world }: TokenContext): Promise<Claims> {
  try {
    return await verifyToken(assertion, world)
  } catch (error) {
    throw new EntraError(error instanceof errors.JWTExpired ? 500133 : 50013)
  }
}
