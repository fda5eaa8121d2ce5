/** This file is the two pages on which somebody says who they are: the account picker and the sign-in form. */
import type { User } from '../directory/directory.ts'
import type { EntraError } from '../errors/entra-error.ts'
import type { Trace } from '../errors/body.ts'
import { html, type SafeHtml } from './html.ts'
import type { Page } from './send.ts'

/** What every page of a flow needs: where to post, and the id that proves the form is ours. */
export interface FlowForm {
  readonly flowId: string
  readonly formOrigins: readonly string[]
}

export interface InlineError {
  readonly error: EntraError
  readonly trace: Trace
}

/** A form of one flow; `action` is the last part of `/flow/…`. */
export function flowForm (form: FlowForm, action: string, body: SafeHtml): SafeHtml {
  return html`<form method="post" action="/flow/${action}"><input type="hidden" name="flow" value="${form.flowId}">${body}</form>`
}

export interface PickerTile {
  readonly user: User
  readonly isSignedIn: boolean
}

export function pickerPage (form: FlowForm, appName: string, tiles: readonly PickerTile[]): Page {
  const list = tiles.map(({ user, isSignedIn }) => flowForm(form, 'pick', html`
    <input type="hidden" name="upn" value="${user.upn}">
    <button class="tile" data-testid="account-tile" data-upn="${user.upn}" data-signed-in="${String(isSignedIn)}">${user.name}
      <small>${user.upn}${isSignedIn ? ' - signed in' : ''}</small></button>`))
  return {
    title: 'Pick an account',
    formOrigins: form.formOrigins,
    body: html`<p>to go on to <strong>${appName}</strong></p>${list}
      ${flowForm(form, 'use-another', html`<button class="tile" data-testid="use-another-account">Use another account</button>`)}
      ${flowForm(form, 'cancel', html`<button data-testid="cancel">Cancel</button>`)}`
  }
}

export function usernamePage (form: FlowForm, hint: string, inline: InlineError | undefined): Page {
  return {
    title: 'Sign in',
    formOrigins: form.formOrigins,
    body: html`${errorNote(inline)}
      ${flowForm(form, 'username', html`<label>E-mail <input type="text" name="username" value="${hint}" autocomplete="username" autofocus data-testid="username"></label>
        <button class="primary" data-testid="submit">Next</button>`)}
      ${backAndCancel(form)}`
  }
}

export function passwordPage (form: FlowForm, upn: string, inline: InlineError | undefined): Page {
  return {
    title: 'Enter password',
    formOrigins: form.formOrigins,
    body: html`<p>${upn}</p>${errorNote(inline)}
      ${flowForm(form, 'password', html`<label>Password <input type="password" name="password" autocomplete="current-password" autofocus data-testid="password"></label>
        <button class="primary" data-testid="submit">Sign in</button>`)}
      ${backAndCancel(form)}`
  }
}

function backAndCancel (form: FlowForm): SafeHtml {
  return html`<div class="row">${flowForm(form, 'back', html`<button data-testid="back">Back</button>`)}
    ${flowForm(form, 'cancel', html`<button data-testid="cancel">Cancel</button>`)}</div>`
}

/** Errors the user can mend stay on the page. */
export function errorNote (inline: InlineError | undefined): SafeHtml {
  if (inline === undefined) return html``
  const { error, trace } = inline
  return html`<p class="error" role="alert" data-testid="signin-error" data-aadsts="${error.code}">AADSTS${error.code}: ${error.message}
    <span class="muted">Correlation ID: ${trace.correlationId}</span></p>`
}
