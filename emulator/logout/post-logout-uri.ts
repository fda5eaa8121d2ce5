/** This file decides where the browser may go after a sign-out. */
import { isRegistered } from '../authorize/address.ts'
import type { App } from '../directory/directory.ts'
import { findClient } from '../directory/find.ts'
import type { SignedInAccount } from '../state.ts'
import type { World } from '../world.ts'
import { claimsOf, type LogoutParameters } from './hint.ts'

type Accounts = readonly SignedInAccount[]

/**
 * `post_logout_redirect_uri` with `state`, when it is a redirect URI of the client - or, when the request names no
 * client, of an app of the session, and failing that of any app. Otherwise the user stays on a page of ours.
 */
export function findPostLogoutUri (parameters: LogoutParameters, accounts: Accounts, world: World): string | undefined {
  const { post_logout_redirect_uri: asked, state } = parameters
  if (!asked || !candidates(parameters, accounts, world).some((app) => isRegistered(asked, app))) return undefined
  const target = new URL(asked)
  if (state) target.searchParams.set('state', state)
  return target.href
}

function candidates (parameters: LogoutParameters, accounts: Accounts, { state }: World): App[] {
  const { client_id: clientId, id_token_hint: idTokenHint } = parameters
  const named = clientId ?? (idTokenHint ? String(claimsOf(idTokenHint)?.aud) : undefined)
  const used = named === undefined ? accounts.flatMap(({ apps }) => apps) : [named]
  if (used.length === 0) return state.tenants.flatMap(({ apps }) => apps)
  return used.map((id) => findClient(id, state.tenants)).filter((app) => app !== undefined)
}
