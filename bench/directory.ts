/** This file is who and what the emulator knows during a run: users, fifty APIs, and the gateway's registration. */
import { loadDefaultConfig } from '../emulator/config/load.ts'
import type { EmulatorConfig } from '../emulator/config/shape.ts'

export interface Api {
  readonly scope: string
  /** `aud` of its tokens. */
  readonly audience: string
}

export interface User {
  readonly upn: string
  readonly oid: string
}

const number = (i: number): string => String(i).padStart(12, '0')

export const apis: readonly Api[] = Array.from({ length: 50 }, (_, i) => (
  { scope: `api://bench-${i}/Read`, audience: `aaaaaaaa-aaaa-4aaa-8aaa-${number(i)}` }
))

export const users: readonly User[] = Array.from({ length: 200 }, (_, i) => (
  { upn: `user-${i}@contoso.example`, oid: `bbbbbbbb-bbbb-4bbb-8bbb-${number(i)}` }
))

export const tenantId = '11111111-1111-4111-8111-111111111111'
export const clientId = '22222222-2222-4222-8222-222222222222'
export const clientSecret = 'gw-secret'

/** The emulator's own directory, with these users and APIs in its first tenant. Every consent is given. */
export function benchDirectory (redirectUris: readonly string[]): EmulatorConfig {
  const base = loadDefaultConfig()
  const [contoso, ...others] = base.tenants
  const apps = (contoso!.apps ?? []).map(app => app.clientId === clientId ? { ...app, redirectUris: { web: redirectUris } } : app)
  return {
    ...base,
    tenants: [{
      ...contoso!,
      users: [...contoso!.users ?? [], ...users.map(({ upn, oid }) => ({ upn, oid, name: upn }))],
      apps: [...apps, ...apis.map(({ audience }, i) => ({
        clientId: audience, name: `API ${i}`, identifierUris: [`api://bench-${i}`], accessTokenVersion: 2 as const, scopes: [{ value: 'Read' }]
      }))],
      grants: apis.map((_, i) => ({ client: 'Gateway', resource: `api://bench-${i}`, scopes: ['Read'] }))
    }, ...others],
    // Nothing expires while it is measured.
    lifetimes: { ...base.lifetimes, accessToken: [86_000, 86_000] }
  }
}
