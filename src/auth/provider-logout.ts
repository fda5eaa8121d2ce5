/**
 * This file ends sessions when the provider says so: `GET /.auth/frontchannel-logout` through the user's browser,
 * `POST /.auth/backchannel-logout` directly.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../errors.ts'
import { readForm } from './form.ts'
import { dropTokens } from './logout.ts'
import { once } from './once.ts'
import { type Parameter, readQuery, repeated, single } from './query.ts'
import type { AuthScope } from './routes.ts'

/** Far longer than the GUID that Entra sends. */
const maxSidLength = 255
/** Several times the longest logout token. */
const maxFormBytes = 16 * 1024

/**
 * The provider's sign-out page loads this in a frame, where no Lax cookie comes along: the session is found by `sid`, and
 * where there is an `iss`, it has to be of that issuer too. Nothing is revoked but sessions, since anyone can make this request.
 *
 * @see OpenID Connect Front-Channel Logout 1.0, section 2
 */
export async function frontChannelLogout (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = readQuery(request.url)
  const sid = single(query('sid'))
  const count = sid === undefined || sid.length > maxSidLength ? 0 : await endSessions(scope, sid, query('iss'))
  // Anyone can make this request: what ends nothing is not worth a line.
  if (count > 0) noteSignOut(scope, request, count)
  return reply
    .header('content-security-policy', `default-src 'none'; frame-ancestors ${scope.providerOrigin}`)
    .type('text/html; charset=utf-8')
    .send('<!doctype html><title>Signed out</title>')
}

/** @returns how many have ended */
async function endSessions ({ lifecycle }: AuthScope, sid: string, iss: Parameter): Promise<number> {
  if (iss === undefined) return await lifecycle.endBySid(sid)
  return iss === repeated ? 0 : (await lifecycle.endOf({ iss, sid, sub: undefined })).length
}

function noteSignOut ({ metrics }: AuthScope, request: FastifyRequest, sessions: number): void {
  metrics.sessionEnded('provider', sessions)
  request.log.info({ event: 'signed-out', audit: true, by: 'provider', sessions, requestId: request.id }, 'the provider signed a user out')
}

/**
 * The provider itself makes this request, and proves it by a token that counts once: sessions end, and with the last one of
 * an account its tokens go. Sessions that are not there have ended already.
 *
 * @throws SG_STORE_UNAVAILABLE, SG_PROVIDER_UNAVAILABLE nothing is settled, and the same token may come again
 * @see OpenID Connect Back-Channel Logout 1.0, sections 2.5 to 2.8
 */
export async function backChannelLogout (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const form = await readForm(request, reply, maxFormBytes)
  if (form.kind === 'refused') return refuse(reply, form.status, form.status === 413 ? 'SG_BODY_TOO_LARGE' : 'SG_TARGET_INVALID')
  const notice = await scope.provider.verifyLogoutToken(form.fields.get('logout_token') ?? '')
  if (notice.kind === 'refused') return refuseToken(request, reply, notice.why)
  const name = `lt:${createHash('sha256').update(notice.id).digest('base64url')}`
  let count = 0
  const isFirst = await once(scope.store, { name, rememberMs: notice.acceptableMs }, async () => {
    const ended = await scope.lifecycle.endOf(notice)
    for (const one of ended) await dropTokens(scope, one, one.last)
    count = ended.length
  })
  if (!isFirst) return refuseToken(request, reply, 'the token came before')
  noteSignOut(scope, request, count)
  return reply.code(200).send()
}

/** The log says why; the answer does not, since whoever sent this may be anybody. */
function refuseToken (request: FastifyRequest, reply: FastifyReply, why: string): FastifyReply {
  request.log.warn({ event: 'logout-token-refused', audit: true, why, requestId: request.id }, 'a logout token was refused')
  return refuse(reply, 400, 'SG_TOKEN_INVALID')
}

/** As that specification has errors: like those of OAuth (RFC 6749, section 5.2). */
function refuse (reply: FastifyReply, status: number, code: ErrorCode): FastifyReply {
  return reply.code(status).header('scopegate-error', code).send({ error: 'invalid_request' })
}
