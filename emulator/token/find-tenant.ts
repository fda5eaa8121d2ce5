/** This file finds the tenant named by the path. */
import { findTenant, sameText, TENANTLESS } from '../directory/find.ts'
import { EntraError } from '../errors/entra-error.ts'
import type { TokenContext } from './context.ts'

export function findTenantOfPath (context: TokenContext): void {
  const { tenantName } = context.request
  context.tenant = findTenant(tenantName, context.world.state.tenants) ?? null
  const isTenantless = TENANTLESS.some((word) => sameText(word, tenantName))
  if (context.tenant === null && !isTenantless) throw new EntraError(90002, { detail: `Tenant '${tenantName}' not found.` })
}
