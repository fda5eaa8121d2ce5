/** This file applies Conditional Access to a sign-in: what can be mended on a page is asked for, the rest refused. */
import { EntraError } from '../../errors/entra-error.ts'
import { usernamePage } from '../../pages/account.ts'
import { mfaPage } from '../../pages/mfa.ts'
import type { Page } from '../../pages/send.ts'
import { claimsFor, findUnmet, type Unmet } from '../../policies/evaluate.ts'
import { appsOf, consentContextOf, formOfVisit, userOf, type Visit } from '../visit.ts'

export function requirePolicies (visit: Visit): Page | undefined {
  const unmet = findUnmetPolicy(visit)
  if (unmet === undefined) return undefined
  if (visit.authorize.prompt === 'none') throw new EntraError(unmet.code, { claims: claimsFor(unmet) })
  switch (unmet.code) {
    case 50076: case 50078: case 50079: return askSecondFactor(visit, unmet)
    case 70043: return askToSignInAgain(visit)
    default: throw new EntraError(unmet.code, { onPage: true, detail: `Policy: ${unmet.policy.name}.` })
  }
}

function findUnmetPolicy (visit: Visit): Unmet | undefined {
  const { claims } = visit.authorize
  return findUnmet({
    tenant: consentContextOf(visit).tenant,
    user: userOf(visit),
    apps: appsOf(visit),
    contexts: [...claims.accessTokenContexts, ...claims.idTokenContexts],
    policyIds: claims.policyIds,
    authentication: visit.flow.authentication!,
    now: visit.world.clock.now()
  })
}

function askSecondFactor (visit: Visit, { code }: Unmet): Page | undefined {
  if (visit.autologin === undefined) {
    return mfaPage(formOfVisit(visit), userOf(visit).upn, { isEnrolment: code === 50079, inline: visit.inline })
  }
  approveSecondFactor(visit)
  return requirePolicies(visit)
}

/** Approving also enrols a user who had no second factor. */
export function approveSecondFactor (visit: Visit): void {
  const { authentication } = visit.flow
  userOf(visit).mfa ??= { method: 'approve' }
  authentication!.amr = ['pwd', 'mfa']
  authentication!.mfaAt = visit.world.clock.now()
}

function askToSignInAgain (visit: Visit): Page | undefined {
  const { flow, world } = visit
  if (visit.autologin !== undefined) {
    flow.authentication!.authAt = world.clock.now()
    return requirePolicies(visit)
  }
  const { upn } = userOf(visit)
  Object.assign(flow, { user: null, authentication: null, mustAuthenticate: true, asksUsername: true, usernameHint: upn })
  return usernamePage(formOfVisit(visit), upn, undefined)
}
