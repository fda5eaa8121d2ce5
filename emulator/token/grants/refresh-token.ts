/** This file reads refresh tokens: one serves every consented resource, and using it does not revoke it. */
import { EntraError } from '../../errors/entra-error.ts'
import type { Subject, TokenContext } from '../context.ts'
import { requireUser } from './find-grant.ts'

/** Fixed by Entra for single-page apps, from the sign-in on. */
const SPA_LIFE_MS = 24 * 3600 * 1000

/** @throws EntraError 70000, 700082 idle for too long, 700084 single-page app past its day */
export function readRefreshToken (context: TokenContext): Subject {
  const { parameters, client, tenant, world } = context
  const handle = parameters.refresh_token!
  const record = world.state.refreshTokens.get(handle)
  const isOwn = record !== undefined && record.clientId === client.clientId && (tenant === null || tenant.id === record.tenantId)
  if (!isOwn) throw new EntraError(70000)
  const now = world.clock.now()
  if (record.platform === 'spa' && now > record.grantedAt + SPA_LIFE_MS) throw new EntraError(700084)
  if (now > record.issuedAt + world.lifetimes.refreshToken * 1000) throw new EntraError(700082)
  if (world.quirks.refreshReuse === 'revoke') world.state.refreshTokens.delete(handle)
  return {
    user: requireUser(context, record),
    authentication: record,
    platform: record.platform,
    scope: record.scope,
    claims: null,
    nonce: null,
    isRevoked: record.revoked,
    grantedAt: record.grantedAt
  }
}
