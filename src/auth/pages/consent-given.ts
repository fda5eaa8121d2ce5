/**
 * This file is the page for administrators who come back from consenting for everyone. Anybody can open it, so it claims
 * nothing.
 */
import { html, page } from './template.ts'

export function consentGivenPage (): string {
  return page('Thank you', html`
<p>If you gave the permission, everybody in your organisation can go on now. Whoever was waiting for it tries again.</p>
<p><a href="/" data-testid="home">Start page</a></p>`)
}
