/** This file serves the index page, where people look around and switch policies. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Admin } from './admin/operations.ts'
import { createFlow, requireFlow } from './flows.ts'
import { parametersOf } from './http/parameters.ts'
import { overviewPage } from './pages/overview.ts'
import { sendPage } from './pages/send.ts'
import type { World } from './world.ts'

const SHOWN_REQUESTS = 50

export function registerOverview (app: FastifyInstance, admin: Admin, world: World): void {
  app.get('/', { config: { endpoint: 'index' } }, async (_request, reply) => show(reply, world))
  if (world.adminEnabled) app.post('/policy', { config: { endpoint: 'index' } }, async (request, reply) => toggle(request, reply, admin, world))
}

function show (reply: FastifyReply, world: World): FastifyReply {
  return sendPage(reply, overviewPage({
    origin: world.origin,
    tenants: world.state.tenants,
    requests: world.requests.list().slice(-SHOWN_REQUESTS).reverse(),
    flowId: world.adminEnabled ? createFlow('index', 'common', {}, world).id : null
  }))
}

/** The flow id proves that the form came from the page above, not from another site. */
function toggle (request: FastifyRequest, reply: FastifyReply, admin: Admin, world: World): FastifyReply {
  const { flow, policy: id = '' } = parametersOf(request)
  requireFlow(flow, world)
  const policy = world.state.tenants.flatMap(({ policies }) => policies).find((item) => item.id === id)
  if (policy !== undefined) admin.setPolicy(id, !policy.enabled)
  return reply.redirect('/', 303)
}
