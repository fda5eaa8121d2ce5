/**
 * This file is the page for a person who ran into a refusal or a fault: what happened, what helps, and the code and
 * request id to tell an operator. It never shows a cause.
 */
import type { ErrorCode, Problem } from '../../errors.ts'
import { type Html, html, page } from './template.ts'

/** What helps, where the title alone does not say it. */
const advice: Partial<Record<ErrorCode, string>> = {
  SG_SIGN_IN_REQUIRED: 'Please sign in to go on.',
  SG_ACCESS_DENIED: 'This page is not open to you. Whoever runs this application can give you access.',
  SG_ORIGIN_REFUSED: 'Open the page again and repeat what you did there.',
  SG_ROUTE_UNKNOWN: 'Check the address, or go back to the start page.',
  SG_SIGN_IN_EXPIRED: 'Sign-ins work once and for ten minutes. Please start again.',
  SG_SIGN_IN_MISMATCH: 'Please start again from the page you wanted. If this comes back, allow cookies for this site.',
  SG_SIGN_IN_REFUSED: 'The account cannot be used here, or the sign-in was cancelled.',
  SG_SIGN_IN_LOOP: 'You signed in several times in a minute and the application still asks for it. Wait a minute, then try again.',
  SG_CONSENT_NEEDED: 'The application needs a permission that was not given. You can give it, or an administrator can give it for everyone.',
  SG_PROVIDER_UNAVAILABLE: 'Please try again in a minute.',
  SG_PROVIDER_MISCONFIGURED: 'Whoever runs this gateway has to look at its registration.',
  SG_STORE_UNAVAILABLE: 'You are not signed out. Please try again in a minute.',
  SG_OVERLOADED: 'Please try again in a moment.'
}

/** @param loginUrl - where a sign-in would help */
export function problemPage (problem: Problem, requestId: string, loginUrl: string | undefined): string {
  const text = adviceOn(problem)
  return page(problem.title, html`
${text === '' ? '' : html`<p>${text}</p>`}
${loginUrl === undefined ? '' : html`<p><a href="${loginUrl}" data-testid="sign-in">Sign in</a></p>`}
${reference(problem, requestId)}`)
}

/** What helps; empty where the title says it all. */
export function adviceOn ({ code }: Problem): string {
  return advice[code] ?? ''
}

/** What to tell an operator. */
export function reference ({ code }: Problem, requestId: string): Html {
  return html`<dl><dt>Code</dt><dd data-testid="error-code">${code}</dd><dt>Request</dt><dd data-testid="request-id">${requestId}</dd></dl>`
}
