/** This file asks for consent, for what is not granted yet. */
import { consentTo, mayConsent, missingScopes, requiredBy, wantedScopes, type MissingScope } from '../../consent.ts'
import { EntraError } from '../../errors/entra-error.ts'
import { adminApprovalPage, consentPage } from '../../pages/consent.ts'
import type { Page } from '../../pages/send.ts'
import { consentContextOf, formOfVisit, scopesOf, userOf, type Visit } from '../visit.ts'

export function askConsent (visit: Visit): Page | undefined {
  const context = consentContextOf(visit)
  const lines = consentLines(visit)
  if (lines.length === 0 || visit.flow.consentGiven) return undefined
  if (visit.authorize.prompt === 'none') throw new EntraError(65001)
  if (!mayConsent(lines, context)) return adminApprovalPage(formOfVisit(visit), context.client, approvalCode(visit))
  if (visit.autoconsent) {
    consentTo(lines, context.user.oid, context)
    return undefined
  }
  return consentPage(formOfVisit(visit), { client: context.client, user: context.user, lines, isForAll: false })
}

/** `prompt=consent` asks for everything again. */
export function consentLines (visit: Visit): MissingScope[] {
  if (visit.flow.kind === 'admin-consent') return adminLines(visit)
  const lines = visit.authorize.prompt === 'consent' ? wantedScopes : missingScopes
  return lines(scopesOf(visit), consentContextOf(visit))
}

function approvalCode (visit: Visit): 90094 | 90095 {
  return consentContextOf(visit).tenant.settings.adminConsentWorkflow ? 90095 : 90094
}

/** Admin consent is for everybody, and shown even when all is granted. */
export function askAdminConsent (visit: Visit): Page | undefined {
  if (visit.flow.consentGiven) return undefined
  const user = userOf(visit)
  const { client } = visit.authorize
  if (!user.globalAdmin) return adminApprovalPage(formOfVisit(visit), client, 90094)
  return consentPage(formOfVisit(visit), { client, user, lines: adminLines(visit), isForAll: true })
}

/** `.default` means everything the registration lists. */
function adminLines (visit: Visit): MissingScope[] {
  const context = consentContextOf(visit)
  const isStatic = scopesOf(visit).resources.some(({ isDefault }) => isDefault)
  const lines = isStatic ? requiredBy(context.client, context) : []
  const asked = wantedScopes(scopesOf(visit), context)
  return [...new Map([...asked, ...lines].map((line) => [`${line.resource.clientId} ${line.value}`, line])).values()]
}
