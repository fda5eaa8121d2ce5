/** This file applies Conditional Access to a token request: there is no page here, so a shortfall is an error. */
import { parseClaimsRequest } from '../policies/claims-request.ts'
import { claimsFor, findUnmet, satisfiedContexts, type PolicyQuestion } from '../policies/evaluate.ts'
import { EntraError } from '../errors/entra-error.ts'
import { tenantOf, type TokenContext } from './context.ts'

export function requirePolicies (context: TokenContext): void {
  const { subject, client, part, parameters, world } = context
  const claims = [parseClaimsRequest(subject?.claims), parseClaimsRequest(parameters.claims)]
  if (subject === null) return
  const accessTokenContexts = claims.flatMap((item) => item.accessTokenContexts)
  const idTokenContexts = claims.flatMap((item) => item.idTokenContexts)
  const question: PolicyQuestion = {
    tenant: tenantOf(context),
    user: subject.user,
    apps: [client, part.resource],
    contexts: [...accessTokenContexts, ...idTokenContexts],
    policyIds: claims.flatMap((item) => item.policyIds),
    authentication: subject.authentication,
    now: world.clock.now()
  }
  const unmet = findUnmet(question)
  if (unmet !== undefined) throw new EntraError(unmet.code, { claims: claimsFor(unmet) })
  context.accessTokenContexts = satisfiedContexts(question, accessTokenContexts, part.resource.optionalClaims.accessToken.includes('acrs'))
  context.idTokenContexts = satisfiedContexts(question, idTokenContexts, client.optionalClaims.idToken.includes('acrs'))
}
