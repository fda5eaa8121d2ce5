/** This file signs users in without a browser: a code, or at once an access token. */
import { randomUUID } from 'node:crypto'
import { findReplyAddress } from '../authorize/address.ts'
import { createCode } from '../authorize/code.ts'
import type { Tenant, User } from '../directory/directory.ts'
import { graphOnly, resolveScopes, scopeNamed } from '../scopes.ts'
import type { Authentication, CodeRecord } from '../state.ts'
import { issueUserToken } from '../tokens/access-token.ts'
import type { World } from '../world.ts'
import { appNamed, tenantNamed, userNamed } from './names.ts'

interface Person {
  readonly user: string
  readonly client: string
  readonly tenant?: string
  /** The user has also passed a second factor. */
  readonly mfa?: boolean
}

export interface LoginOrder extends Person {
  /** Default `openid profile offline_access`. */
  readonly scope?: string
  /** Default: the first one registered. */
  readonly redirectUri?: string
  readonly nonce?: string
  readonly challenge?: CodeRecord['challenge']
  readonly claims?: string
}

export interface TokenOrder extends Person {
  /** Scopes of one resource; the token has exactly these. */
  readonly scope: string
  /** For the `acrs` claim. */
  readonly contexts?: readonly string[]
}

/** @throws EntraError 50011 when the redirect URI is not registered; consent and policies are looked at on redemption */
export function headlessLogin (order: LoginOrder, world: World): { code: string, redirectUri: string } {
  const { client, authentication } = resolvePerson(order, world)
  const asked: Record<string, string> = order.redirectUri === undefined ? {} : { redirect_uri: order.redirectUri }
  const { redirectUri, platform } = findReplyAddress({ client_id: client.clientId, ...asked }, authentication.tenantId, world)
  const code = createCode({
    ...authentication,
    clientId: client.clientId,
    redirectUri,
    scope: order.scope ?? 'openid profile offline_access',
    nonce: order.nonce ?? null,
    challenge: order.challenge ?? null,
    claims: order.claims ?? null,
    platform
  }, world)
  return { code, redirectUri }
}

export async function headlessToken (order: TokenOrder, world: World): Promise<string> {
  const { client, user, tenant, authentication } = resolvePerson(order, world)
  const context = { client, tenant, tenants: world.state.tenants }
  const part = resolveScopes(order.scope, context).resources[0] ?? graphOnly(context)
  const { token } = await issueUserToken({
    client,
    clientStrength: '1',
    resource: part.resource,
    resourceName: part.scopes[0]?.prefix ?? part.resource.clientId,
    tenantId: tenant.id,
    user,
    authentication,
    scopes: part.scopes.map(({ value }) => scopeNamed(value, part.resource)?.value ?? value),
    contexts: order.contexts ?? [],
    isLongLived: false
  }, world)
  return token
}

function resolvePerson (order: Person, world: World) {
  const user = userNamed(order.user, order.tenant, world)
  const tenant = tenantNamed(user.tenantId, world)
  const client = appNamed(order.client, tenant, world)
  return { user, tenant, client, authentication: authenticate(user, tenant, order.mfa ?? false, world) }
}

function authenticate (user: User, tenant: Tenant, hasMfa: boolean, { clock }: World): Authentication {
  const now = clock.now()
  return {
    tenantId: tenant.id,
    oid: user.oid,
    sid: randomUUID(),
    amr: hasMfa ? ['pwd', 'mfa'] : ['pwd'],
    authAt: now,
    mfaAt: hasMfa ? now : 0
  }
}
