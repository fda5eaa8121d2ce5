/**
 * This file is what the management listener answers: probes, metrics, and sessions where a token file says who may ask.
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { errors } from '../errors.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { sessionRoutes, type SessionsScope } from './sessions.ts'

/** What the endpoints work with. */
export interface ManagementScope {
  /** Absent without a token file: then there is no such endpoint. */
  readonly sessions: SessionsScope | undefined
  readonly metrics: Pick<Metrics, 'text'>
  /** What has to hold for a replica to get requests, by the name that `/readyz` shows. Each answers at once. */
  readonly checks: Readonly<Record<string, () => boolean>>
}

/** Registers the endpoints. Bodies are refused, as none of them takes one. */
export function managementRoutes (app: FastifyInstance, scope: ManagementScope): void {
  const { sessions } = scope
  app.get('/livez', async () => ({ alive: true }))
  app.get('/readyz', async (_request, reply) => readiness(scope, reply))
  app.get('/metrics', async (_request, reply) => {
    const { type, body } = await scope.metrics.text()
    return reply.type(type).send(body)
  })
  if (sessions !== undefined) app.register(async child => { sessionRoutes(child, sessions) })
  app.setNotFoundHandler(async () => { throw new errors.SG_ROUTE_UNKNOWN() })
}

/** 200 when every check holds, else 503; either way with all of them, so that whoever looks sees which one does not. */
function readiness ({ checks }: ManagementScope, reply: FastifyReply): object {
  const results = Object.entries(checks).map(([name, holds]) => [name, holds()] as const)
  const ready = results.every(([, isHeld]) => isHeld)
  reply.code(ready ? 200 : 503)
  return { ready, checks: Object.fromEntries(results) }
}
