/** This file shows the state without passwords, secrets and handles. */
import type { App, Tenant, User } from '../directory/directory.ts'
import type { World } from '../world.ts'

export function describeState ({ state, clock, keys, faults }: World): Record<string, unknown> {
  return {
    now: new Date(clock.now()).toISOString(),
    tenants: state.tenants.map(describeTenant),
    signingKeys: keys.published().map(({ kid }) => kid),
    faults: faults.list(),
    counts: {
      browsers: state.browsers.size,
      flows: state.flows.size,
      codes: state.codes.size,
      refreshTokens: state.refreshTokens.size,
      issued: state.issued.size
    }
  }
}

function describeTenant ({ users, apps, ...rest }: Tenant): unknown {
  return { ...rest, users: users.map(describeUser), apps: apps.map(describeApp) }
}

function describeUser ({ password, groups, ...rest }: User): unknown {
  return { ...rest, hasPassword: password !== null, groups: groups.length }
}

function describeApp ({ secrets, ...rest }: App): unknown {
  return { ...rest, secrets: secrets.length }
}
