/**
 * This file lists and ends sessions for administrators: `/sessions`, behind the token of `server.management.tokenFile`.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { RunningProvider } from '../identity/provider.ts'
import type { SessionsByUser } from '../session/by-user.ts'
import { isRecordKey } from '../session/ids.ts'
import type { SessionLifecycle } from '../session/lifecycle.ts'
import type { SessionRecords } from '../session/records.ts'
import { hasOutlivedItself, type Session, type User } from '../session/session.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ManagementToken } from './token.ts'
import { parseUser, queryOf } from './user.ts'

/** What the endpoints work with. */
export interface SessionsScope {
  readonly token: ManagementToken
  readonly byUser: SessionsByUser
  readonly records: SessionRecords
  readonly lifecycle: SessionLifecycle
  readonly provider: Pick<RunningProvider, 'forget' | 'forgetUser'>
  /** A user as the log names it. */
  readonly nameInLog: (user: User) => string
  readonly metrics: Pick<Metrics, 'sessionEnded'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Registers the endpoints in a scope of their own, where everything asks for the token first. */
export function sessionRoutes (app: FastifyInstance, scope: SessionsScope): void {
  app.addHook('onRequest', async function requireToken (request, reply) { await refuseStranger(scope, request, reply) })
  app.get('/sessions', async request => await listSessions(scope, request))
  app.delete('/sessions', async request => await revokeUser(scope, request))
  app.delete('/sessions/:id', async request => await revokeSession(scope, request))
}

async function refuseStranger ({ token }: SessionsScope, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { authorization } = request.headers
  if (await token.isIn(authorization)) return
  request.log.warn({ event: 'management-refused', audit: true, requestId: request.id }, 'a request for sessions had no good token')
  // RFC 6750, section 3.1: no error code for a request that did not try.
  reply.header('www-authenticate', `Bearer realm="scopegate management"${authorization === undefined ? '' : ', error="invalid_token"'}`)
  throw new errors.SG_TOKEN_INVALID()
}

async function listSessions ({ byUser, records, nameInLog, now }: SessionsScope, request: FastifyRequest): Promise<object> {
  const user = userOf(request)
  const keys = await byUser.ofUser(user)
  const found = await Promise.all(keys.map(async id => ({ id, session: await records.read(id) })))
  const sessions = found.flatMap(({ id, session }) =>
    session === undefined || hasOutlivedItself(session, now()) ? [] : [described(id, session)])
  const name = nameInLog(user)
  request.log.info({ event: 'sessions-listed', audit: true, requestId: request.id, user: name }, 'an administrator listed sessions')
  return { nameInLog: name, sessions: sessions.sort((one, other) => one.createdAt < other.createdAt ? -1 : 1) }
}

/** Neither claims nor tokens: nothing that an administrator could use as the user. The id names the record, it opens nothing. */
function described (id: string, { createdAt, idleEndsAt, absoluteEndsAt }: Session) {
  const instant = (at: number): string => new Date(at).toISOString()
  return { id, createdAt: instant(createdAt), idleEndsAt: instant(idleEndsAt), absoluteEndsAt: instant(absoluteEndsAt) }
}

/** Tokens go even when there is no session left: those of sessions that ended by themselves are kept for a while. */
async function revokeUser ({ lifecycle, provider, ...scope }: SessionsScope, request: FastifyRequest): Promise<object> {
  const user = userOf(request)
  const { length: ended } = await lifecycle.endAllOf(user)
  await provider.forgetUser(user)
  noteRevocation(scope, request, user, ended)
  return { ended }
}

async function revokeSession ({ lifecycle, provider, ...scope }: SessionsScope, request: FastifyRequest): Promise<object> {
  const { id } = request.params as { id: string }
  if (queryOf(request.url) !== '') throw new errors.SG_TARGET_INVALID()
  // The store has records of other kinds too, and this must not become a way to delete those.
  const ended = isRecordKey(id) ? await lifecycle.endByKey(id) : undefined
  if (ended === undefined) throw new errors.SG_ROUTE_UNKNOWN()
  const { key, session: { account }, last } = ended
  await provider.forget({ key, account }, { dropAccount: last })
  noteRevocation(scope, request, account, 1)
  return { ended: 1 }
}

function userOf (request: FastifyRequest): User {
  const user = parseUser(request.url)
  if (user === undefined) throw new errors.SG_TARGET_INVALID()
  return user
}

function noteRevocation (
  { nameInLog, metrics }: Pick<SessionsScope, 'nameInLog' | 'metrics'>, request: FastifyRequest, account: User, ended: number
): void {
  metrics.sessionEnded('revoked', ended)
  const user = nameInLog(account)
  request.log.info({ event: 'sessions-revoked', audit: true, requestId: request.id, user, ended }, 'an administrator ended sessions')
}
