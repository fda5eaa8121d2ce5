/** This file keeps the flows: visits to the pages that wait for an answer. */
import { EntraError } from './errors/entra-error.ts'
import { createHandle, type Flow } from './state.ts'
import type { World } from './world.ts'

const FLOW_LIFE_MS = 15 * 60 * 1000

export function createFlow (kind: Flow['kind'], tenantName: string, parameters: Record<string, string>, world: World): Flow {
  const flow: Flow = {
    id: createHandle(),
    kind,
    createdAt: world.clock.now(),
    tenantName,
    parameters,
    asksUsername: false,
    usernameHint: '',
    user: null,
    authentication: null,
    mustAuthenticate: parameters.prompt === 'login',
    staySignedIn: null,
    consentGiven: false
  }
  forgetOldFlows(world)
  world.state.flows.set(flow.id, flow)
  return flow
}

/** @throws EntraError 90100 when a form brings no flow of ours, or one older than 15 minutes */
export function requireFlow (id: string | undefined, world: World): Flow {
  forgetOldFlows(world)
  const flow = id === undefined ? undefined : world.state.flows.get(id)
  if (flow === undefined) throw new EntraError(90100, { onPage: true, detail: 'This page has expired. Go back to the application and start again.' })
  return flow
}

function forgetOldFlows ({ state, clock }: World): void {
  for (const [id, { createdAt }] of state.flows) {
    if (clock.now() > createdAt + FLOW_LIFE_MS) state.flows.delete(id)
  }
}
