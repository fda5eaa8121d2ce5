/**
 * This file is the page that asks before signing out, when another site sent the browser to the sign-out.
 */
import { html, page } from './template.ts'

/**
 * @param returnUrl - a local path, as `return-url.ts` let it through
 * @param isEverywhere - whether all sessions of the user are to end
 */
export function confirmSignOutPage (returnUrl: string, isEverywhere = false): string {
  const query = new URLSearchParams({ post_logout_redirect_uri: returnUrl, ...(isEverywhere ? { scope: 'all' } : {}) })
  const action = `/.auth/logout?${query}`
  return page('Sign out?', html`
<p>Another site asks to end your session here.</p>
<form method="post" action="${action}"><button data-testid="confirm-sign-out">Sign out</button></form>`)
}
