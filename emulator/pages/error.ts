/** This file is the page for errors that must not go back to the app. */
import type { Trace } from '../errors/body.ts'
import type { EntraError } from '../errors/entra-error.ts'
import { html } from './html.ts'
import type { Page } from './send.ts'

export function errorPage (error: EntraError, trace: Trace, status: number): Page {
  return {
    title: "Sorry, but we're having trouble signing you in",
    status,
    body: html`<div data-testid="error-page" data-aadsts="${error.code}">
      <p class="error" role="alert">AADSTS${error.code}: ${error.message}</p>
      <dl><dt>Request Id</dt><dd>${trace.traceId}</dd><dt>Correlation Id</dt><dd>${trace.correlationId}</dd><dt>Timestamp</dt><dd>${trace.timestamp}</dd></dl></div>`
  }
}
