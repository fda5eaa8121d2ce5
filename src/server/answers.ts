/**
 * This file turns every error into an answer: a redirect to the sign-in, a problem document or a page. It decides what a
 * navigation is, and marks every answer that is the gateway's own.
 */
import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { logSignInNeed, signInChallenge, type SignInNeeds } from '../auth/need.ts'
import { consentNeededPage } from '../auth/pages/consent-needed.ts'
import { problemPage } from '../auth/pages/problem.ts'
import { parseReturnUrl } from '../auth/return-url.ts'
import { closeIfUnread } from '../proxy/request-body.ts'
import { type BearerChallenge, bearerChallengeOf, type ErrorCode, type Problem, problemOf, type SignInNeed, signInNeedOf } from '../errors.ts'
import { ownFields } from './own-fields.ts'

export interface AnswerDeps {
  readonly needs: SignInNeeds
  readonly publicOrigin: string
  /** What the matched route says about requests without a session; `auto` where no route matched. */
  readonly unauthenticated: (request: FastifyRequest) => 'auto' | 'redirect' | '401'
}

/** Fastify's error handler: refusals are answered, faults are answered without their cause and logged with it. */
export function errorHandler (deps: AnswerDeps) {
  return async function answerError (error: Error, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    try {
      return await answer(deps, error, request, reply)
    } catch (failure) {
      // Fastify would answer a failing error handler by itself, message included.
      return answerProblem(failure as Error, request, reply)
    }
  }
}

/** Answers an error with a problem document, whoever asks: for programs that no sign-in would help. */
export function answerProblem (error: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(reply, noteProblem(request, reply, error), request, {})
}

async function answer (deps: AnswerDeps, error: Error, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const problem = noteProblem(request, reply, error)
  const need = signInNeedOf(error)
  if (need !== undefined) return await answerSignInRequired(deps, request, reply, problem, need)
  // Nobody is there to follow it at an API client.
  const loginUrl = request.caller === undefined ? await restartUrl(deps, request, problem) : undefined
  return isNavigation(request)
    ? sendPage(reply, problem, request, loginUrl)
    : sendProblem(reply, problem, request, loginUrl === undefined ? {} : { loginUrl })
}

function noteProblem (request: FastifyRequest, reply: FastifyReply, error: Error): Problem {
  const problem = problemOf(error)
  logProblem(request, problem, error)
  reply.header('scopegate-error', problem.code)
  if (problem.status === 426) reply.headers(upgradeOffer)
  const challenge = bearerChallengeOf(error)
  if (challenge !== undefined) reply.header('www-authenticate', challengeForClient(challenge))
  if ('retryAfterMs' in error && typeof error.retryAfterMs === 'number') reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000))
  return problem
}

/** What 426 owes: the protocol and its version (RFC 9110, section 15.5.22; RFC 6455, section 4.4). */
const upgradeOffer = { upgrade: 'websocket', connection: 'upgrade, close', 'sec-websocket-version': '13' }

/** Sign-ins that went wrong and may go right from the start. */
const restartable: ReadonlySet<ErrorCode> = new Set([
  'SG_SIGN_IN_EXPIRED', 'SG_SIGN_IN_MISMATCH', 'SG_SIGN_IN_REFUSED', 'SG_CONSENT_NEEDED'
])
/** What ends a sign-in and may be over by the next one. The page itself cannot be loaded again: its answer was used. */
const passing: ReadonlySet<ErrorCode> = new Set(['SG_PROVIDER_UNAVAILABLE', 'SG_STORE_UNAVAILABLE'])

/** Where a sign-in that failed begins again: for the same page and with the same permissions, where it got that far. */
async function restartUrl (deps: AnswerDeps, { tried }: FastifyRequest, { code }: Problem): Promise<string | undefined> {
  if (tried === undefined) return restartable.has(code) ? '/.auth/login' : undefined
  if (!restartable.has(code) && !passing.has(code)) return undefined
  return await deps.needs.loginUrl(tried.need, tried.returnUrl, tried.sessionKey)
}

/** A refusal with a reason is worth a line, a fault a warning, and a bug a stack. */
function logProblem (request: FastifyRequest, problem: Problem, error: Error): void {
  const { code, status, title } = problem
  if (code === 'SG_INTERNAL') request.log.error({ err: error, requestId: request.id }, 'unexpected error')
  else if (status >= 500) request.log.warn({ code, cause: causeOf(error), requestId: request.id }, title)
  else if (error.cause !== undefined) request.log.info({ code, cause: causeOf(error), requestId: request.id }, title)
}

/** Names and codes of what lies under an error: enough to find it, nothing that a provider or an upstream said. */
function causeOf (error: Error): string | undefined {
  const { cause } = error
  if (!(cause instanceof Error)) return undefined
  return 'code' in cause ? `${cause.name} ${String(cause.code)}` : cause.name
}

async function answerSignInRequired (
  deps: AnswerDeps, request: FastifyRequest, reply: FastifyReply, problem: Problem, need: SignInNeed
): Promise<FastifyReply> {
  logSignInNeed(request, need)
  const wantsRedirect = isRedirected(deps.unauthenticated(request), request)
  const loginUrl = await deps.needs.loginUrl(need, returnUrlOf(deps, request, wantsRedirect), request.live?.key)
  if (wantsRedirect) return reply.redirect(loginUrl, 302)
  reply.header('www-authenticate', signInChallenge(need, loginUrl))
  return sendProblem(reply, problem, request, { loginUrl, reason: need.reason })
}

function isRedirected (setting: 'auto' | 'redirect' | '401', request: FastifyRequest): boolean {
  // A WebSocket that is opened follows no redirect either.
  if (request.headers.authorization !== undefined || request.raw.isUpgrade === true) return false
  return setting === 'auto' ? isNavigation(request) : setting === 'redirect'
}

/**
 * Whether a person's browser is going to a page, rather than a script or a subresource asking for something. An API client
 * with a bearer token is never one.
 */
export function isNavigation (request: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': dest, accept, authorization } = request.headers
  if (authorization !== undefined) return false
  if (mode !== undefined || dest !== undefined) return mode === 'navigate' && dest === 'document'
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  return isRead && accept?.includes('text/html') === true && request.headers['x-requested-with'] === undefined
}

/** A navigation comes back to where it went; anything else, and a form that was posted, to the page it came from. */
function returnUrlOf (deps: AnswerDeps, request: FastifyRequest, isRedirect: boolean): string {
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const { target } = request.raw
  if (isRedirect && isRead && target !== undefined) return parseReturnUrl(target.path + target.query)
  const { referer } = request.headers
  if (referer === undefined || !URL.canParse(referer)) return '/'
  const page = new URL(referer)
  return page.origin === deps.publicOrigin ? parseReturnUrl(page.pathname + page.search) : '/'
}

/** For an API client: claims travel in base64, as Entra's own APIs send them. */
function challengeForClient (challenge: BearerChallenge): string {
  const claims = 'claims' in challenge ? `, claims="${Buffer.from(challenge.claims).toString('base64')}"` : ''
  return `Bearer realm="scopegate", error="${challenge.error}"${claims}`
}

/** RFC 9457. */
function sendProblem (
  reply: FastifyReply, problem: Problem, request: FastifyRequest, more: Record<string, string>
): FastifyReply {
  const { code, status, title } = problem
  const text = JSON.stringify({ type: `urn:scopegate:error:${code}`, title, status, code, requestId: request.id, ...more })
  // As bytes: to text Fastify adds a charset, which JSON types do not have (RFC 8259, section 11).
  return reply.code(status).type('application/problem+json').send(Buffer.from(text))
}

function sendPage (reply: FastifyReply, problem: Problem, request: FastifyRequest, loginUrl: string | undefined): FastifyReply {
  reply.code(problem.status).type('text/html; charset=utf-8')
  const { adminConsentUrl, sessionKey } = request.tried ?? {}
  if (loginUrl === undefined || adminConsentUrl === undefined) return reply.send(problemPage(problem, request.id, loginUrl))
  return reply.send(consentNeededPage(problem, request.id, { loginUrl, adminConsentUrl, isSignedIn: sessionKey !== undefined }))
}

/**
 * An onSend hook that marks the gateway's own answers and keeps them out of caches, frames and scripts. Proxied answers do
 * not pass here: they are written to the socket directly.
 */
export function ownAnswerHeaders ({ providerOrigin }: { readonly providerOrigin: string }) {
  // A sign-out that another site asked for is confirmed by a form, and then goes on to the provider.
  const fields = ownFields(providerOrigin)
  type Done<T> = (error: null, payload: T) => void
  return function markOwnAnswer<T> (request: FastifyRequest, reply: FastifyReply, payload: T, done: Done<T>): void {
    closeIfUnread(request.raw, reply.raw)
    if (!reply.hasHeader('scopegate-error')) reply.header('scopegate', '1')
    // The one answer that the provider may frame says so itself.
    const own = reply.getHeader('content-security-policy')
    reply.headers(own === undefined ? fields : { ...fields, 'content-security-policy': own })
    done(null, payload)
  }
}
