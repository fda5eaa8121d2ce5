/** This file is the order in which a sign-in is walked through: the first step with a page shows it. */
import type { Flow } from '../state.ts'
import type { Page } from '../pages/send.ts'
import { authenticate } from './steps/authenticate.ts'
import { chooseAccount } from './steps/choose-account.ts'
import { askAdminConsent, askConsent } from './steps/consent.ts'
import { remember } from './steps/remember.ts'
import { requireAssignment } from './steps/assignment.ts'
import { requirePolicies } from './steps/policies.ts'
import { offerToStaySignedIn } from './steps/stay-signed-in.ts'
import type { Visit } from './visit.ts'

/** @throws EntraError when there is no page on which the user could mend it */
export type Step = (visit: Visit) => Page | undefined

export const STEPS: Readonly<Record<'authorize' | 'admin-consent', readonly Step[]>> = {
  authorize: [chooseAccount, authenticate, requireAssignment, requirePolicies, offerToStaySignedIn, remember, askConsent],
  'admin-consent': [chooseAccount, authenticate, remember, askAdminConsent]
}

export const isSignInFlow = (flow: Flow): flow is Flow & { kind: keyof typeof STEPS } => flow.kind in STEPS
