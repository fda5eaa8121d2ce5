/** This file chooses the account of a sign-in: by hint, by session, by picker. */
import { findHomeUser, findUser } from '../../directory/find.ts'
import type { User } from '../../directory/directory.ts'
import { EntraError } from '../../errors/entra-error.ts'
import { pickerPage, usernamePage } from '../../pages/account.ts'
import type { Page } from '../../pages/send.ts'
import type { SignedInAccount } from '../../state.ts'
import { readOpaqueHint } from '../../tokens/claims.ts'
import { formOfVisit, type Visit } from '../visit.ts'

export function chooseAccount (visit: Visit): Page | undefined {
  const { flow, authorize, autologin } = visit
  if (flow.user !== null) return undefined
  const known = findKnownAccount(visit)
  if (authorize.prompt === 'none') return choose(visit, known ?? refuseSilently(visit))
  if (autologin !== undefined) return choose(visit, userNamed(autologin, visit))
  const isAsking = flow.mustAuthenticate || flow.asksUsername || authorize.prompt === 'select_account'
  if (known !== undefined && !isAsking) return choose(visit, known)
  const hinted = hintedUser(visit)
  if (flow.usernameHint === '' && hinted !== undefined) flow.usernameHint = hinted.upn
  const asksUsername = flow.asksUsername || (flow.usernameHint !== '' && authorize.prompt !== 'select_account')
  const form = formOfVisit(visit)
  return asksUsername
    ? usernamePage(form, flow.usernameHint, visit.inline)
    : pickerPage(form, authorize.client.name, tilesOf(visit))
}

function choose ({ flow }: Visit, { tenantId, oid }: { tenantId: string, oid: string }): undefined {
  flow.user = { tenantId, oid }
}

/** The session a request means: the hinted one, or the only one. */
function findKnownAccount (visit: Visit): SignedInAccount | undefined {
  const sessions = sessionsOf(visit)
  const { sid, login_hint: hint } = visit.authorize.parameters
  if (sid) return sessions.find((account) => account.sid === sid)
  if (hint) return sessions.find(({ oid }) => oid === hintedUser(visit)?.oid)
  return sessions.length === 1 ? sessions[0] : undefined
}

/** Sign-ins of this browser that the tenant of the path accepts. */
function sessionsOf ({ browser, authorize }: Visit): SignedInAccount[] {
  return browser?.accounts.filter(({ tenantId }) => authorize.tenant === null || tenantId === authorize.tenant.id) ?? []
}

function refuseSilently (visit: Visit): never {
  const { sid, login_hint: hint } = visit.authorize.parameters
  const sessions = sessionsOf(visit)
  if (sessions.length === 0) throw new EntraError(50058)
  throw new EntraError(sid || hint ? 160021 : 16000)
}

/** `login_hint` is a UPN, a mail address, or the opaque claim of that name. */
function hintedUser (visit: Visit): User | undefined {
  const hint = visit.authorize.parameters.login_hint
  if (!hint) return undefined
  const home = readOpaqueHint(hint)
  return usersOf(visit).find((user) => home === undefined
    ? [user.upn, user.mail].some((name) => name?.toLowerCase() === hint.toLowerCase())
    : user.home.tid === home.tid && user.home.oid === home.oid)
}

/** Who could sign in here: the users of the tenant, or under `common` everybody at home. */
function usersOf ({ authorize, world }: Visit): User[] {
  if (authorize.tenant !== null) return authorize.tenant.users
  return world.state.tenants.flatMap(({ users }) => users).filter(({ home, tenantId }) => home.tid === tenantId)
}

function tilesOf (visit: Visit) {
  const signedIn = new Set(sessionsOf(visit).map(({ oid }) => oid))
  return usersOf(visit).map((user) => ({ user, isSignedIn: signedIn.has(user.oid) }))
}

/** @throws EntraError 50034 nobody has this name, 50020 somebody of another tenant has */
export function userNamed (name: string, { authorize, world }: Visit): User {
  const { tenant } = authorize
  const atHome = findHomeUser(name, world.state.tenants)
  const user = tenant === null ? atHome : findUser(name, tenant)
  if (user !== undefined) return user
  if (atHome !== undefined) throw new EntraError(50020, { onPage: true, detail: `User account '${name}' does not exist in tenant '${tenant?.name}'.` })
  throw new EntraError(50034, { detail: `'${name}'.` })
}
