/**
 * This file is the page after a sign-out.
 */
import { html, page } from './template.ts'

export function signedOutPage (): string {
  return page('You are signed out', html`
<p>Your session here has ended, and your tokens are gone from this gateway. On a shared computer, close the browser too.</p>
<p><a href="/" data-testid="sign-in-again">Sign in again</a></p>`)
}
