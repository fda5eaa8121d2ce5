/** This file is the pages after the password: second factor, and "Stay signed in?". */
import { errorNote, flowForm, type FlowForm, type InlineError } from './account.ts'
import { html } from './html.ts'
import type { Page } from './send.ts'

export function mfaPage (form: FlowForm, upn: string, options: { isEnrolment: boolean, inline: InlineError | undefined }): Page {
  return {
    title: options.isEnrolment ? 'More information required' : 'Approve sign-in request',
    formOrigins: form.formOrigins,
    body: html`<p>${upn}</p>${errorNote(options.inline)}
      <p>${options.isEnrolment ? 'A second factor has to be registered first; approving does it.' : 'Your organisation asks for a second factor.'}</p>
      <div class="row">
      ${flowForm(form, 'mfa', html`<input type="hidden" name="answer" value="approve"><button class="primary" data-testid="mfa-approve">Approve</button>`)}
      ${flowForm(form, 'mfa', html`<input type="hidden" name="answer" value="deny"><button data-testid="mfa-deny">Deny</button>`)}
      </div>
      ${flowForm(form, 'mfa', html`<input type="hidden" name="answer" value="code">
        <label>Code (123456) <input type="text" name="code" inputmode="numeric" autocomplete="one-time-code" data-testid="mfa-code"></label>
        <button>Verify</button>`)}`
  }
}

export function staySignedInPage (form: FlowForm, upn: string): Page {
  return {
    title: 'Stay signed in?',
    formOrigins: form.formOrigins,
    body: html`<p>${upn}</p><div class="row">
      ${flowForm(form, 'stay-signed-in', html`<input type="hidden" name="answer" value="yes"><button class="primary" data-testid="kmsi-yes">Yes</button>`)}
      ${flowForm(form, 'stay-signed-in', html`<input type="hidden" name="answer" value="no"><button data-testid="kmsi-no">No</button>`)}
      </div>`
  }
}
