/**
 * This file is the page for a person whose sign-in ended without the permission that it asked for: they try again, go on
 * without it, or let an administrator give it to everyone.
 */
import type { Problem } from '../../errors.ts'
import { adviceOn, reference } from './problem.ts'
import { html, page } from './template.ts'

export interface ConsentWays {
  /** Asks for the permission again. */
  readonly loginUrl: string
  /** The provider's page where an administrator consents for everyone. */
  readonly adminConsentUrl: string
  /** Whether there is a session, which has stayed as it was. */
  readonly isSignedIn: boolean
}

export function consentNeededPage (problem: Problem, requestId: string, ways: ConsentWays): string {
  const { loginUrl, adminConsentUrl, isSignedIn } = ways
  return page(problem.title, html`
<p>${adviceOn(problem)}</p>
<p><a href="${loginUrl}" data-testid="sign-in">Try again</a>
<a href="/" data-testid="home">Start page</a>
${isSignedIn ? html`<a href="/.auth/logout" data-testid="sign-out">Sign out</a>` : ''}</p>
<h2>Does an administrator have to approve?</h2>
<p>Send them this address. There they can give the permission to everyone in your organisation.</p>
<p><code data-testid="admin-consent-url">${adminConsentUrl}</code></p>
<p><a href="${adminConsentUrl}" data-testid="admin-consent">I am an administrator</a></p>
${reference(problem, requestId)}`)
}
