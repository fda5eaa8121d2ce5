/**
 * This file turns every error into an answer: a redirect to the sign-in, a problem document or a page. It decides what a
 * navigation is, and marks every answer that is the gateway's own.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SignInNeeds } from '../auth/need.ts'
import { problemPage } from '../auth/pages/problem.ts'
import { parseReturnUrl } from '../auth/return-url.ts'
import { closeIfUnread } from '../proxy/request-body.ts'
import { type ErrorCode, type Problem, problemOf, type SignInNeed, signInNeedOf } from '../errors.ts'
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
      return sendProblem(reply, noteProblem(request, reply, failure as Error), request, {})
    }
  }
}

async function answer (deps: AnswerDeps, error: Error, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const problem = noteProblem(request, reply, error)
  const need = signInNeedOf(error)
  if (need !== undefined) return await answerSignInRequired(deps, request, reply, problem, need)
  const loginUrl = restartable.has(problem.code) ? '/.auth/login' : undefined
  return isNavigation(request)
    ? sendPage(reply, problem, request, loginUrl)
    : sendProblem(reply, problem, request, loginUrl === undefined ? {} : { loginUrl })
}

function noteProblem (request: FastifyRequest, reply: FastifyReply, error: Error): Problem {
  const problem = problemOf(error)
  logProblem(request, problem, error)
  reply.header('scopegate-error', problem.code)
  if ('retryAfterMs' in error && typeof error.retryAfterMs === 'number') reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000))
  return problem
}

/** Sign-ins that went wrong and may go right from the start. */
const restartable: ReadonlySet<ErrorCode> = new Set([
  'SG_SIGN_IN_EXPIRED', 'SG_SIGN_IN_MISMATCH', 'SG_SIGN_IN_REFUSED', 'SG_CONSENT_NEEDED'
])

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
  const wantsRedirect = isRedirected(deps.unauthenticated(request), request)
  const loginUrl = await deps.needs.loginUrl(need, returnUrlOf(deps, request, wantsRedirect), request.live?.key)
  if (wantsRedirect) return reply.redirect(loginUrl, 302)
  reply.header('www-authenticate', challenge(need.reason, need.scopes, loginUrl))
  return sendProblem(reply, problem, request, { loginUrl, reason: need.reason })
}

function isRedirected (setting: 'auto' | 'redirect' | '401', request: FastifyRequest): boolean {
  if (request.headers.authorization !== undefined) return false
  return setting === 'auto' ? isNavigation(request) : setting === 'redirect'
}

/**
 * Whether a person's browser is going to a page, rather than a script or a subresource asking for something. An API client
 * with a bearer token is never one.
 */
export function isNavigation (request: Pick<FastifyRequest, 'method' | 'headers'>): boolean {
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

/** The challenge that 401 owes (RFC 9110, section 11.6.1; RFC 6750, section 3). Values are ours: no quoting is needed. */
function challenge (reason: string, scopes: readonly string[], loginUrl: string): string {
  const scope = scopes.length === 0 ? '' : `, scope="${scopes.join(' ')}"`
  return `Bearer realm="scopegate", reason="${reason}", login_url="${loginUrl}"${scope}`
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
  return reply.code(problem.status).type('text/html; charset=utf-8').send(problemPage(problem, request.id, loginUrl))
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
