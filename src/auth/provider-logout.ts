/**
 * This file ends sessions when the provider says so: `GET /.auth/frontchannel-logout`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { readQuery, single } from './query.ts'
import type { AuthScope } from './routes.ts'

/** Far longer than the GUID that Entra sends. */
const maxSidLength = 255

/**
 * The provider's sign-out page loads this in a frame, where no Lax cookie comes along: the session is found by `sid`. Entra
 * sends no `iss`, so none is asked for. Nothing is revoked but sessions, since anyone can make this request.
 *
 * @see OpenID Connect Front-Channel Logout 1.0, section 2
 */
export async function frontChannelLogout (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sid = single(readQuery(request.url)('sid'))
  if (sid !== undefined && sid.length <= maxSidLength) await scope.lifecycle.endBySid(sid)
  return reply
    .header('content-security-policy', `default-src 'none'; frame-ancestors ${scope.providerOrigin}`)
    .type('text/html; charset=utf-8')
    .send('<!doctype html><title>Signed out</title>')
}
