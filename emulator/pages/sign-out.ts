/** This file is the sign-out pages: whom to sign out, and the page that tells the apps. */
import type { User } from '../directory/directory.ts'
import { html, SafeHtml } from './html.ts'
import type { Page } from './send.ts'

export function signOutPickerPage (flowId: string, formOrigins: readonly string[], users: readonly User[]): Page {
  const tiles = users.map((user) => html`<form method="post" action="/sign-out"><input type="hidden" name="flow" value="${flowId}">
    <input type="hidden" name="oid" value="${user.oid}">
    <button class="tile" data-testid="signout-tile" data-upn="${user.upn}">${user.name}<small>${user.upn}</small></button></form>`)
  return { title: 'Which account do you want to sign out of?', formOrigins, body: html`${tiles}` }
}

const LEAVE_WHEN_TOLD = new SafeHtml("addEventListener('load', () => { location.href = document.querySelector('a').href })")

/**
 * One hidden frame per app; the browser then goes on after they have loaded, or after two seconds at the latest.
 *
 * @param next - where to go on, when the app asked for a registered address
 */
export function signedOutPage (frames: readonly string[], next: string | undefined): Page {
  const page = {
    title: 'You signed out of your account',
    frameOrigins: [...new Set(frames.map((url) => new URL(url).origin))],
    body: html`<p data-testid="signed-out">It's a good idea to close all browser windows.</p>
      ${frames.map((url) => html`<iframe src="${url}" title="sign-out"></iframe>`)}
      ${next === undefined ? '' : html`<p><a href="${next}">Continue</a></p>`}`
  }
  return next === undefined ? page : { ...page, next, script: LEAVE_WHEN_TOLD }
}
