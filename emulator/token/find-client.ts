/** This file finds the app that makes a token request. */
import { findClient } from '../directory/find.ts'
import type { App, Tenant } from '../directory/directory.ts'
import { EntraError } from '../errors/entra-error.ts'
import { readBasic } from './credentials/basic.ts'
import type { TokenContext } from './context.ts'

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function findClientOfRequest (context: TokenContext): void {
  const clientId = context.parameters.client_id ?? readBasic(context.request.authorization)?.clientId
  if (!clientId) throw new EntraError(900144, { detail: "The request body must contain the following parameter: 'client_id'." })
  if (!GUID.test(clientId)) throw new EntraError(700038, { detail: `'${clientId}'.` })
  const app = findClient(clientId, context.world.state.tenants)
  context.client = requireVisible(app, clientId, context.tenant)
  if (context.client.state === 'disabled') throw new EntraError(7000112, { detail: `'${clientId}' (${context.client.name}).` })
}

/** An app is visible in its own tenant, everywhere when multi-tenant, and under `common`. */
export function requireVisible (app: App | undefined, clientId: string, tenant: Tenant | null): App {
  const isVisible = app !== undefined && (tenant === null || app.tenantId === tenant.id || app.audience === 'multi')
  if (!isVisible) throw new EntraError(700016, { detail: `Application with identifier '${clientId}' was not found in the directory '${tenant?.name ?? 'common'}'.` })
  return app
}
