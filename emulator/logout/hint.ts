/** This file finds the account a sign-out means. */
import { decodeJwt } from 'jose'
import { readOpaqueHint } from '../tokens/claims.ts'
import type { Browser, SignedInAccount } from '../state.ts'
import type { World } from '../world.ts'

export type LogoutParameters = Readonly<Record<string, string>>

/** `logout_hint` is the value of the `login_hint` claim, a UPN does not work; `id_token_hint` is an ID token, expired or not. */
export function hintedAccount (browser: Browser, parameters: LogoutParameters, world: World): SignedInAccount | undefined {
  const { logout_hint: logoutHint, id_token_hint: idTokenHint } = parameters
  if (logoutHint) return byOpaqueHint(browser, logoutHint, world)
  const claims = idTokenHint ? claimsOf(idTokenHint) : undefined
  return browser.accounts.find(({ sid, oid }) => claims !== undefined && (sid === claims.sid || oid === claims.oid))
}

function byOpaqueHint (browser: Browser, hint: string, { state }: World): SignedInAccount | undefined {
  const home = readOpaqueHint(hint)
  if (home === undefined) return undefined
  const users = state.tenants.flatMap((tenant) => tenant.users)
  const oids = users.filter((user) => user.home.tid === home.tid && user.home.oid === home.oid).map(({ oid }) => oid)
  return browser.accounts.find(({ oid }) => oids.includes(oid))
}

/** A hint is not a proof: the signature is not looked at, and only sign-ins of this very browser can end. */
export function claimsOf (token: string): Record<string, unknown> | undefined {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}
