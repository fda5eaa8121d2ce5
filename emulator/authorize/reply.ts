/** This file sends the outcome of an authorize request to the app, in the response mode it asked for. */
import { randomUUID } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { describe, type Trace } from '../errors/body.ts'
import type { EntraError } from '../errors/entra-error.ts'
import { html, SafeHtml } from '../pages/html.ts'
import { sendPage } from '../pages/send.ts'
import type { World } from '../world.ts'
import type { ReplyAddress } from './address.ts'

type ReplyParameters = Readonly<Record<string, string | undefined>>

/** `state` comes back exactly as sent; `session_state` always comes with a success. */
export function replySuccess (reply: FastifyReply, address: ReplyAddress, parameters: ReplyParameters): FastifyReply {
  return send(reply, address, { ...parameters, state: address.state, session_state: randomUUID() })
}

export interface ErrorContext {
  readonly trace: Trace
  readonly world: World
  readonly isSilent: boolean
}

/** A cancelled sign-in has a subcode and no description. */
export function replyError (reply: FastifyReply, address: ReplyAddress, error: EntraError, context: ErrorContext): FastifyReply {
  const { subcode } = error.options
  const { world } = context
  const description = subcode === undefined
    ? { error_description: describe(error, context.trace, world.quirks.descriptionStyle), error_uri: `${world.origin}/error?code=${error.code}` }
    : { error_subcode: subcode }
  return send(reply, address, { error: errorNameOf(error, context), ...description, state: address.state })
}

/** At the token endpoint a shortfall is `invalid_grant`; to a silent authorize request it says what kind it is. */
function errorNameOf (error: EntraError, { isSilent, world }: ErrorContext): string {
  if (error.options.error !== undefined) return error.options.error
  if (isSilent && error.code === 65001) return world.quirks.silentConsentError
  return (isSilent ? error.entry.silentError : undefined) ?? error.entry.error
}

function send (reply: FastifyReply, { redirectUri, mode }: ReplyAddress, parameters: ReplyParameters): FastifyReply {
  const present = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  if (mode === 'form_post') return sendForm(reply, redirectUri, present)
  const target = new URL(redirectUri)
  if (mode === 'fragment') target.hash = new URLSearchParams(present).toString()
  else present.forEach(([name, value]) => target.searchParams.append(name, value))
  return reply.redirect(target.href, 302)
}

const SUBMIT_AT_ONCE = new SafeHtml("document.querySelector('form').submit()")

/** The button is for browsers without script. */
function sendForm (reply: FastifyReply, redirectUri: string, parameters: readonly (readonly [string, string])[]): FastifyReply {
  const inputs = parameters.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
  return sendPage(reply, {
    title: 'Working',
    formOrigins: [new URL(redirectUri).origin],
    script: SUBMIT_AT_ONCE,
    body: html`<form method="post" action="${redirectUri}">${inputs}<noscript><button data-testid="form-post-continue">Continue</button></noscript></form>`
  })
}
