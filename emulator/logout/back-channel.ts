/**
 * This file tells an app about a sign-out directly (OpenID Connect Back-Channel Logout 1.0). Entra does not do that; other
 * providers do, and here only the admin API does.
 */
import { randomUUID } from 'node:crypto'
import { appNamed, tenantNamed, userNamed } from '../admin/names.ts'
import { pairwiseSubject } from '../tokens/claims.ts'
import { forgeToken, type Forgery } from '../tokens/forge.ts'
import { issuerV2, type World } from '../world.ts'

/** Who signed out of which app. */
export interface LogoutTokenOrder {
  readonly user: string
  readonly client: string
  readonly tenant?: string
  /** The session that ended; without it, all of the user's. */
  readonly sid?: string
  /** Makes the token a wrong one. */
  readonly forgery?: Forgery
}

export interface LogoutOrder extends LogoutTokenOrder {
  /** The app's back-channel logout URL. */
  readonly url: string
}

const LIFETIME_SECONDS = 120

export async function createLogoutToken (order: LogoutTokenOrder, world: World): Promise<string> {
  const user = userNamed(order.user, order.tenant, world)
  const client = appNamed(order.client, tenantNamed(user.tenantId, world), world)
  const iat = world.clock.seconds()
  const claims = {
    iss: issuerV2(world, user.tenantId),
    aud: client.clientId,
    iat,
    exp: iat + LIFETIME_SECONDS,
    jti: randomUUID(),
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    sub: pairwiseSubject(client.clientId, user.oid),
    ...(order.sid === undefined ? {} : { sid: order.sid })
  }
  const { forgery = {} } = order
  return await forgeToken(claims, { ...forgery, header: { typ: 'logout+jwt', ...forgery.header } }, world)
}

/** @returns how the app answered */
export async function sendLogout (order: LogoutOrder, world: World): Promise<{ status: number, body: string }> {
  const body = new URLSearchParams({ logout_token: await createLogoutToken(order, world) })
  const response = await fetch(order.url, { method: 'POST', body, redirect: 'manual' })
  return { status: response.status, body: await response.text() }
}
