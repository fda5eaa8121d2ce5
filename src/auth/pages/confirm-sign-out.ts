/**
 * This file is the page that asks before signing out, when another site sent the browser to the sign-out.
 */
import { html, page } from './template.ts'

/** @param returnUrl - a local path, as `return-url.ts` let it through */
export function confirmSignOutPage (returnUrl: string): string {
  const action = `/.auth/logout?${new URLSearchParams({ post_logout_redirect_uri: returnUrl })}`
  return page('Sign out?', html`
<p>Another site asks to end your session here.</p>
<form method="post" action="${action}"><button data-testid="confirm-sign-out">Sign out</button></form>`)
}
