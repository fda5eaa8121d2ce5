/** This file is one request of a browser that walks through the pages of a flow. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { findBrowser } from '../browser.ts'
import type { ConsentContext } from '../consent.ts'
import type { App, User } from '../directory/directory.ts'
import { EntraError } from '../errors/entra-error.ts'
import { cookiesOf, parametersOf } from '../http/parameters.ts'
import { traceOf } from '../http/trace.ts'
import type { FlowForm, InlineError } from '../pages/account.ts'
import { resolveScopes, type ScopeRequest } from '../scopes.ts'
import type { Browser, Flow } from '../state.ts'
import type { World } from '../world.ts'
import { findReplyAddress } from './address.ts'
import { parseAuthorizeRequest, type AuthorizeRequest } from './request.ts'

export interface Visit {
  readonly world: World
  readonly flow: Flow
  readonly authorize: AuthorizeRequest
  readonly http: { readonly request: FastifyRequest, readonly reply: FastifyReply }
  browser: Browser | undefined
  /** Shown on the page that asks again. */
  inline: InlineError | undefined
  /** UPN that answers every page by itself, and whether it consents as well. */
  readonly autologin: string | undefined
  readonly autoconsent: boolean
}

/** @throws EntraError when the request of the flow is not in order */
export function startVisit (flow: Flow, http: Visit['http'], world: World): Visit {
  const address = findReplyAddress(flow.parameters, flow.tenantName, world)
  const cookies = cookiesOf(http.request)
  return {
    world,
    flow,
    http,
    authorize: parseAuthorizeRequest(address, flow.parameters, world),
    browser: findBrowser(http.request, world),
    inline: undefined,
    autologin: flow.parameters.autologin ?? cookies.get('autologin'),
    autoconsent: (flow.parameters.autoconsent ?? cookies.get('autoconsent')) === '1'
  }
}

export function formOfVisit ({ flow, authorize }: Visit): FlowForm {
  return { flowId: flow.id, formOrigins: [new URL(authorize.redirectUri).origin] }
}

/** Puts an error on the page the user is on. */
export function showInline (visit: Visit, error: EntraError): void {
  visit.inline = { error, trace: traceOf(visit.http.request, visit.world) }
}

/** The user of a flow in which an account has been chosen. */
export function userOf ({ flow, world }: Visit): User {
  const user = world.state.tenants.find(({ id }) => id === flow.user?.tenantId)?.users.find(({ oid }) => oid === flow.user?.oid)
  if (user === undefined) throw new EntraError(50034, { onPage: true })
  return user
}

export function scopesOf (visit: Visit): ScopeRequest {
  return resolveScopes(visit.authorize.scope, consentContextOf(visit))
}

/** After sign-in the tenant is the user's, also under `common`. */
export function consentContextOf (visit: Visit): ConsentContext {
  const { world, authorize } = visit
  const user = userOf(visit)
  const tenant = world.state.tenants.find(({ id }) => id === user.tenantId)!
  return { client: authorize.client, tenant, tenants: world.state.tenants, user }
}

/** The client and everything it asks for, which is what policies and assignment look at. */
export function appsOf (visit: Visit): App[] {
  return [visit.authorize.client, ...scopesOf(visit).resources.map(({ resource }) => resource)]
}

export const answerOf = ({ http }: Visit, name: string): string | undefined => parametersOf(http.request)[name]
