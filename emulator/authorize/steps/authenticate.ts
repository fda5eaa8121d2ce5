/** This file authenticates the chosen account: by a session of the browser, or by password. */
import { randomUUID } from 'node:crypto'
import type { User } from '../../directory/directory.ts'
import { EntraError } from '../../errors/entra-error.ts'
import { passwordPage, usernamePage } from '../../pages/account.ts'
import type { Page } from '../../pages/send.ts'
import type { Authentication } from '../../state.ts'
import { formOfVisit, showInline, userOf, type Visit } from '../visit.ts'

export function authenticate (visit: Visit): Page | undefined {
  const { flow } = visit
  if (flow.authentication !== null) return undefined
  const user = userOf(visit)
  const refusal = refusalOf(user)
  if (refusal !== undefined) return askAgain(visit, refusal)
  const session = flow.mustAuthenticate ? undefined : visit.browser?.accounts.find(({ oid }) => oid === user.oid)
  if (session !== undefined) {
    flow.authentication = copyOf(session)
    return undefined
  }
  if (visit.authorize.prompt === 'none') throw new EntraError(50058)
  const needsPassword = user.password !== null && visit.autologin === undefined
  if (needsPassword) return passwordPage(formOfVisit(visit), user.upn, visit.inline)
  authenticateByPassword(visit)
  return undefined
}

function copyOf ({ tenantId, oid, sid, amr, authAt, mfaAt }: Authentication): Authentication {
  return { tenantId, oid, sid, amr: [...amr], authAt, mfaAt }
}

/** States that the user reads about on the page; another account may still be chosen there. */
function refusalOf (user: User): EntraError | undefined {
  switch (user.state) {
    case 'disabled': return new EntraError(50057)
    case 'locked': return new EntraError(50053)
    case 'passwordExpired': return new EntraError(50055)
    case 'active': return undefined
  }
}

function askAgain (visit: Visit, error: EntraError): Page {
  if (visit.authorize.prompt === 'none') throw error
  const { upn } = userOf(visit)
  visit.flow.user = null
  visit.flow.asksUsername = true
  showInline(visit, error)
  return usernamePage(formOfVisit(visit), upn, visit.inline)
}

/** A new sign-in of somebody who already has a session in this browser keeps its `sid`. */
export function authenticateByPassword ({ flow, browser, world }: Visit): void {
  const { tenantId, oid } = flow.user!
  const sid = browser?.accounts.find((account) => account.oid === oid)?.sid ?? randomUUID()
  flow.authentication = { tenantId, oid, sid, amr: ['pwd'], authAt: world.clock.now(), mfaAt: 0 }
  flow.mustAuthenticate = false
}
