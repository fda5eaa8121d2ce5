/** This file is the consent page, and the wall in front of it when only an admin may consent. */
import type { MissingScope } from '../consent.ts'
import type { App, User } from '../directory/directory.ts'
import { flowForm, type FlowForm } from './account.ts'
import { html } from './html.ts'
import type { Page } from './send.ts'

export interface ConsentPage {
  readonly client: App
  readonly user: User
  readonly lines: readonly MissingScope[]
  /** Consent for everybody is the only choice (admin consent), not a checkbox. */
  readonly isForAll: boolean
}

export function consentPage (form: FlowForm, { client, user, lines, isForAll }: ConsentPage): Page {
  const list = lines.map(({ resource, value, description }) => html`
    <li data-testid="consent-scope" data-scope="${value}" data-resource="${resource.clientId}">${description}
      <small class="muted">${resource.name}: ${value}</small></li>`)
  const checkbox = html`<label><input type="checkbox" name="forAll" value="yes" data-testid="consent-admin"> Consent on behalf of your organisation</label>`
  return {
    title: 'Permissions requested',
    formOrigins: form.formOrigins,
    body: html`<p>${user.upn}</p><p><strong>${client.name}</strong> (${client.publisher}) would like to:</p><ul>${list}</ul>
      ${isForAll ? html`<p>Accepting consents for everybody in your organisation.</p>` : ''}
      ${flowForm(form, 'consent', html`${user.globalAdmin && !isForAll ? checkbox : ''}<input type="hidden" name="answer" value="accept">
        <button class="primary" data-testid="consent-accept">Accept</button>`)}
      ${flowForm(form, 'consent', html`<input type="hidden" name="answer" value="cancel"><button data-testid="consent-cancel">Cancel</button>`)}`
  }
}

export function adminApprovalPage (form: FlowForm, client: App, code: number): Page {
  return {
    title: 'Need admin approval',
    formOrigins: form.formOrigins,
    body: html`<div class="error" data-testid="error-page" data-aadsts="${code}">AADSTS${code}: <strong>${client.name}</strong> needs permission to
      access resources that only an admin can grant.</div>
      ${flowForm(form, 'use-another', html`<button class="tile" data-testid="admin-signin">Sign in with an admin account</button>`)}
      ${flowForm(form, 'cancel', html`<button data-testid="admin-return">Return to the application without granting consent</button>`)}`
  }
}
