/** This file decides what the token may say: consented scopes of a user, or the client's application permissions. */
import { requireGranted } from '../consent.ts'
import { findApp } from '../directory/find.ts'
import { tenantOf, type TokenContext } from './context.ts'

export function requireConsent (context: TokenContext): void {
  const { client, part, subject, world } = context
  const tenant = tenantOf(context)
  const { tenants } = world.state
  context.granted = subject === null
    ? applicationRoles(context)
    : requireGranted(part, { client, tenant, tenants, user: subject.user })
}

function applicationRoles (context: TokenContext): string[] {
  const { client, part, world } = context
  const resourceOf = (name: string) => findApp(name, tenantOf(context), world.state.tenants)?.clientId
  return client.applicationPermissions
    .filter(({ resource }) => resourceOf(resource) === part.resource.clientId)
    .flatMap(({ roles }) => roles)
}
