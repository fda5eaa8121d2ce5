/** This file is what the buttons of the pages do. Each changes the flow; the steps then decide what comes next. */
import { consentTo, mayConsent } from '../consent.ts'
import { EntraError } from '../errors/entra-error.ts'
import { authenticateByPassword } from './steps/authenticate.ts'
import { userNamed } from './steps/choose-account.ts'
import { consentLines } from './steps/consent.ts'
import { approveSecondFactor } from './steps/policies.ts'
import { answerOf, consentContextOf, showInline, userOf, type Visit } from './visit.ts'

/** @throws EntraError that ends the flow */
export type Action = (visit: Visit) => void

/** By the last part of `/flow/…`. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  pick: (visit) => chooseNamed(visit, answerOf(visit, 'upn')),
  username: (visit) => chooseNamed(visit, answerOf(visit, 'username')),
  'use-another': ({ flow }) => { startOver(flow, true) },
  back: ({ flow }) => { startOver(flow, false) },
  password: checkPassword,
  mfa: answerSecondFactor,
  'stay-signed-in': (visit) => { visit.flow.staySignedIn = answerOf(visit, 'answer') === 'yes' },
  consent: answerConsent,
  cancel
}

function startOver (flow: Visit['flow'], asksUsername: boolean): void {
  Object.assign(flow, { user: null, authentication: null, usernameHint: '', asksUsername })
}

function chooseNamed (visit: Visit, name: string | undefined): void {
  const { flow } = visit
  try {
    const { tenantId, oid } = userNamed(name?.trim() ?? '', visit)
    flow.user = { tenantId, oid }
  } catch (error) {
    if (!(error instanceof EntraError) || error.options.onPage === true) throw error
    Object.assign(flow, { user: null, asksUsername: true, usernameHint: name ?? '' })
    showInline(visit, error)
  }
}

function checkPassword (visit: Visit): void {
  if (visit.flow.user === null) return
  const user = userOf(visit)
  // A disabled user is refused by the next step, whatever the password.
  if (user.state !== 'active') return
  if (user.password === answerOf(visit, 'password')) authenticateByPassword(visit)
  else showInline(visit, new EntraError(50126))
}

const MFA_CODE = '123456'

function answerSecondFactor (visit: Visit): void {
  if (visit.flow.authentication === null) return
  const answer = answerOf(visit, 'answer')
  const isApproved = answer === 'approve' || (answer === 'code' && answerOf(visit, 'code')?.trim() === MFA_CODE)
  if (isApproved) approveSecondFactor(visit)
  else showInline(visit, new EntraError(500121))
}

/** @throws EntraError 65004 */
function answerConsent (visit: Visit): void {
  if (answerOf(visit, 'answer') !== 'accept') throw new EntraError(65004)
  if (visit.flow.authentication === null) return
  const context = consentContextOf(visit)
  const lines = consentLines(visit)
  const isForAll = visit.flow.kind === 'admin-consent' || answerOf(visit, 'forAll') === 'yes'
  // The form is under the browser's control: what the page would not have offered is not accepted.
  if (!mayConsent(lines, context) || (isForAll && !context.user.globalAdmin)) return
  consentTo(lines, isForAll ? 'all' : context.user.oid, context)
  visit.flow.consentGiven = true
}

/** @throws EntraError access_denied with the subcode `cancel` */
function cancel (): never {
  throw new EntraError(65004, { subcode: 'cancel' })
}
