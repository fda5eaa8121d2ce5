/** This file offers to keep the sign-in beyond the end of the browser, where the emulator is told to. */
import { staySignedInPage } from '../../pages/mfa.ts'
import type { Page } from '../../pages/send.ts'
import { formOfVisit, userOf, type Visit } from '../visit.ts'

export function offerToStaySignedIn (visit: Visit): Page | undefined {
  const { flow, world, browser, authorize, autologin } = visit
  const isSignedInAlready = browser?.accounts.some(({ oid }) => oid === flow.user!.oid) ?? false
  const isAsked = world.quirks.staySignedIn && flow.staySignedIn === null && authorize.prompt !== 'none'
  if (!isAsked || isSignedInAlready || autologin !== undefined) return undefined
  return staySignedInPage(formOfVisit(visit), userOf(visit).upn)
}
