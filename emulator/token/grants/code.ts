/** This file redeems authorization codes. */
import { createHash } from 'node:crypto'
import { EntraError } from '../../errors/entra-error.ts'
import type { CodeRecord } from '../../state.ts'
import type { Subject, TokenContext } from '../context.ts'
import { requireUser } from './find-grant.ts'

/**
 * Marks the code as used in the same turn that reads it: of two simultaneous redemptions one fails.
 *
 * @throws EntraError 70000, 54005, 70008, 700005, 500112, 501481
 */
export function redeemCode (context: TokenContext): Subject {
  const { parameters, client, tenant, world } = context
  const record = world.state.codes.get(parameters.code!)
  if (record === undefined || record.clientId !== client.clientId) throw new EntraError(70000)
  if (record.redeemed) throw new EntraError(54005)
  if (world.clock.now() > record.issuedAt + world.lifetimes.code * 1000) throw new EntraError(70008)
  if (tenant !== null && tenant.id !== record.tenantId) throw new EntraError(700005)
  if (parameters.redirect_uri !== record.redirectUri) throw new EntraError(500112)
  verifyChallenge(record.challenge, parameters.code_verifier)
  const user = requireUser(context, record)
  record.redeemed = true
  return {
    user,
    authentication: record,
    platform: record.platform,
    scope: record.scope,
    claims: record.claims,
    nonce: record.nonce,
    isRevoked: record.revoked,
    grantedAt: record.issuedAt
  }
}

/** A verifier without a challenge is refused as well: it belongs to another sign-in. */
function verifyChallenge (challenge: CodeRecord['challenge'], verifier: string | undefined): void {
  if (challenge === null && verifier === undefined) return
  const hashed = challenge?.method === 'S256' ? createHash('sha256').update(verifier ?? '').digest('base64url') : verifier
  if (challenge?.value !== hashed) throw new EntraError(501481)
}
