/** This file finds what an admin call names. Unlike in the protocol, a miss is a mistake of the caller. */
import type { App, Policy, Tenant, User } from '../directory/directory.ts'
import { findApp, findTenant, findUser, sameText } from '../directory/find.ts'
import type { World } from '../world.ts'

/** 404 over HTTP, an exception in process. */
export class UnknownName extends Error {
  override readonly name = 'UnknownName'
}

/** By id or domain; without a name, the first tenant of the config. */
export function tenantNamed (name: string | undefined, { state }: World): Tenant {
  const tenant = name === undefined ? state.tenants[0] : findTenant(name, state.tenants)
  if (tenant === undefined) throw new UnknownName(`no tenant "${name}"`)
  return tenant
}

/** By UPN, mail or oid; without a tenant, the first one that has such a user. */
export function userNamed (name: string, tenant: string | undefined, world: World): User {
  const tenants = tenant === undefined ? world.state.tenants : [tenantNamed(tenant, world)]
  const user = tenants.map((candidate) => findUser(name, candidate)).find((found) => found !== undefined)
  if (user === undefined) throw new UnknownName(`no user "${name}"`)
  return user
}

/** By client id, App ID URI or name. */
export function appNamed (name: string, tenant: Tenant, { state }: World): App {
  const app = findApp(name, tenant, state.tenants)
  if (app === undefined) throw new UnknownName(`no app "${name}"`)
  return app
}

/** By id or name, in any tenant. */
export function policyNamed (name: string, { state }: World): Policy {
  const policy = state.tenants.flatMap(({ policies }) => policies).find((item) => item.id === name || sameText(item.name, name))
  if (policy === undefined) throw new UnknownName(`no policy "${name}"`)
  return policy
}
