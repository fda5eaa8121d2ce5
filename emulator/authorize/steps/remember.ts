/** This file writes the sign-in into the browser's session. */
import { rememberSignIn } from '../../browser.ts'
import type { Visit } from '../visit.ts'

/** Before consent: who declines there is signed in all the same. */
export function remember (visit: Visit): undefined {
  const { flow, browser, http, world } = visit
  const authentication = flow.authentication!
  const known = browser?.accounts.find(({ sid }) => sid === authentication.sid)
  const isUnchanged = known?.authAt === authentication.authAt && known.mfaAt === authentication.mfaAt
  if (isUnchanged) return
  visit.browser = rememberSignIn(browser, authentication, { persistent: flow.staySignedIn === true, reply: http.reply, world })
}
