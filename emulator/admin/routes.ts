/** This file is the admin API over HTTP: the operations as JSON, for programs in other processes. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isAadsts } from '../errors/catalogue.ts'
import { ADMIN_PREFIX } from '../http/log-request.ts'
import { segmentOf } from '../http/parameters.ts'
import type { World } from '../world.ts'
import type { Fault } from './faults.ts'
import { refuseStrangers } from './guard.ts'
import type { LogoutOrder, LogoutTokenOrder } from '../logout/back-channel.ts'
import { UnknownName } from './names.ts'
import type { Admin, ChallengeOrder, UserChange } from './operations.ts'
import type { LoginOrder, TokenOrder } from './headless.ts'
import type { Snapshot } from './snapshot.ts'

/** Bodies have the shape of the operation's argument. */
export function registerAdminApi (app: FastifyInstance, admin: Admin, world: World): void {
  app.register(async (scope) => {
    scope.addHook('onRequest', (request, reply) => refuseStrangers(request, reply, world))
    scope.setErrorHandler((error, _request, reply) => reply.code(statusOf(error)).send({ error: messageOf(error) }))
    registerInspection(scope, admin)
    registerInstruments(scope, admin)
    registerDirectory(scope, admin)
    registerTokens(scope, admin)
  }, { prefix: ADMIN_PREFIX })
}

function statusOf (error: unknown): number {
  if (error instanceof UnknownName) return 404
  const isRefusal = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
  return isRefusal ? error.statusCode as number : 400
}

const messageOf = (error: unknown) => error instanceof Error ? error.message : String(error)

/** The admin API does not check every member; what is not JSON of the right kind fails in the operation. */
function bodyOf<T> (request: FastifyRequest): T {
  const { body } = request
  return (typeof body === 'object' && body !== null ? body : {}) as T
}

const queryNumber = (request: FastifyRequest, name: string) => Number((request.query as Record<string, string>)[name] ?? 0)

function registerInspection (scope: FastifyInstance, admin: Admin): void {
  scope.get('/state', async () => admin.state())
  scope.get('/sessions', async () => admin.sessions())
  scope.get('/issued', async () => admin.issued())
  scope.get('/requests', async (request) => admin.requests(queryNumber(request, 'since')))
  scope.post('/reset', async () => { admin.reset(); return {} })
  scope.post('/snapshot', async () => admin.snapshot())
  scope.post('/restore', async (request) => { admin.restore(bodyOf<Snapshot>(request)); return {} })
}

function registerInstruments (scope: FastifyInstance, admin: Admin): void {
  scope.post('/clock', async (request) => moveClock(bodyOf<ClockOrder>(request), admin))
  scope.post('/keys/rotate', async (request) => { await admin.rotateKeys(bodyOf<{ mode?: 'normal' | 'emergency' }>(request).mode); return {} })
  scope.post('/faults', async (request) => { admin.fault(parseFault(bodyOf<Fault>(request))); return {} })
  scope.delete('/faults', async () => { admin.clearFaults(); return {} })
  scope.post('/cae/challenge', async (request) => { admin.challenge(bodyOf<ChallengeOrder>(request)); return {} })
}

function registerDirectory (scope: FastifyInstance, admin: Admin): void {
  scope.post('/users/:user', async (request) => {
    const { tenant, ...change } = bodyOf<UserChange & { tenant?: string }>(request)
    admin.updateUser(segmentOf(request, 'user'), change, tenant)
    return {}
  })
  scope.post('/policies/:policy', async (request) => {
    admin.setPolicy(segmentOf(request, 'policy'), bodyOf<{ enabled?: boolean }>(request).enabled ?? true)
    return {}
  })
  scope.post('/grants', async (request) => {
    const { tenant, ...grant } = bodyOf<Parameters<Admin['grant']>[0] & { tenant?: string }>(request)
    admin.grant(grant, tenant)
    return {}
  })
  scope.delete('/grants', async (request) => {
    const { tenant, ...match } = bodyOf<Parameters<Admin['revokeGrants']>[0] & { tenant?: string }>(request)
    return { removed: admin.revokeGrants(match, tenant) }
  })
}

function registerTokens (scope: FastifyInstance, admin: Admin): void {
  scope.post('/login', async (request) => admin.login(bodyOf<LoginOrder>(request)))
  scope.post('/tokens/issue', async (request) => ({ token: await admin.token(bodyOf<TokenOrder>(request)) }))
  scope.post('/tokens/forge', async (request) => {
    const { tenant, ...forgery } = bodyOf<Parameters<Admin['forge']>[0] & { tenant?: string }>(request)
    return { token: await admin.forge(forgery, tenant) }
  })
  scope.post('/tokens/logout', async (request) => ({ token: await admin.logoutToken(bodyOf<LogoutTokenOrder>(request)) }))
  scope.post('/logout', async (request) => await admin.logout(bodyOf<LogoutOrder>(request)))
}

interface ClockOrder {
  readonly advanceSeconds?: number
  readonly setIso?: string
  readonly freeze?: boolean
}

function moveClock ({ advanceSeconds, setIso, freeze }: ClockOrder, { clock }: Admin): { now: string } {
  if (setIso !== undefined) clock.set(setIso)
  if (advanceSeconds !== undefined) clock.advance(advanceSeconds)
  if (freeze !== undefined) clock.freeze(freeze)
  return { now: new Date(clock.now()).toISOString() }
}

function parseFault (fault: Fault): Fault {
  if (typeof fault.endpoint !== 'string') throw new TypeError('a fault needs an endpoint')
  if (fault.aadsts !== undefined && !isAadsts(fault.aadsts)) throw new TypeError(`AADSTS${String(fault.aadsts)} is not in the catalogue`)
  return fault
}
