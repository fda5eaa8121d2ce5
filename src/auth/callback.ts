/**
 * This file finishes a sign-in: `GET /.auth/callback`, the redirect URI.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, type SignInNeed, signInNeedOf } from '../errors.ts'
import { startSession } from '../session/session.ts'
import type { AuthScope } from './routes.ts'
import { readQuery, repeated } from './query.ts'
import { type Transaction, transactionMs } from './transaction.ts'

/** The provider's answer, as the query brings it (RFC 6749, section 4.1.2). */
type Answer =
  | { readonly kind: 'code', readonly state: string, readonly code: string }
  | { readonly kind: 'error', readonly state: string, readonly error: string, readonly cancelled: boolean }

/**
 * Verifies the answer, redeems the code once, starts a session under a new id, and goes to the wanted page.
 *
 * @throws SG_SIGN_IN_MISMATCH this browser did not start it, or the answer contradicts itself
 * @throws SG_SIGN_IN_EXPIRED it was used before, or took longer than ten minutes
 * @throws SG_SIGN_IN_REFUSED, SG_CONSENT_NEEDED the provider or the user said no
 * @throws SG_STORE_UNAVAILABLE nothing could be stored; there is then no session and no cookie
 */
export async function callback (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const answer = parseAnswer(request.url)
  const transaction = await takeTransaction(scope, request, reply, answer.state)
  if (answer.kind === 'error') throw refusalOf(answer)
  const need = await signIn(scope, request, answer.code, transaction)
  await scope.rounds.count(request, reply, { ...transaction, ...need })
  return reply.redirect(need === undefined ? transaction.returnUrl : await anotherRound(scope, request, transaction, need), 303)
}

/** The provider wants more before it redeems the code. Counted like a finished round, so that this cannot go on for ever. */
async function anotherRound (
  scope: AuthScope, request: FastifyRequest, { returnUrl }: Transaction, need: SignInNeed
): Promise<string> {
  return await scope.needs.loginUrl(need, returnUrl, scope.lifecycle.current(request)?.key)
}

function parseAnswer (url: string): Answer {
  const query = readQuery(url)
  const [state, code, error, subcode] = ['state', 'code', 'error', 'error_subcode'].map(query)
  if ([state, code, error, subcode].includes(repeated)) throw new errors.SG_SIGN_IN_MISMATCH()
  if (typeof state !== 'string' || state === '') throw new errors.SG_SIGN_IN_MISMATCH()
  if (typeof code === 'string' && error === undefined && code !== '') return { kind: 'code', state, code }
  if (typeof error === 'string' && code === undefined) return { kind: 'error', state, error, cancelled: subcode === 'cancel' }
  throw new errors.SG_SIGN_IN_MISMATCH()
}

/** The transaction that this answer is for. Claimed before the code is used: of two equal callbacks one wins. */
async function takeTransaction (
  scope: AuthScope, request: FastifyRequest, reply: FastifyReply, state: string
): Promise<Transaction> {
  const found = await scope.transactions.take(request, reply, state)
  if (found.kind === 'unknown') throw new errors.SG_SIGN_IN_MISMATCH()
  if (found.kind === 'expired') throw new errors.SG_SIGN_IN_EXPIRED()
  // A hash is name enough: nobody can guess 256 random bits, and it is the same on replicas with different keys.
  const isFirst = await scope.store.claim(`st:${createHash('sha256').update(state).digest('base64url')}`, transactionMs)
  if (!isFirst) throw new errors.SG_SIGN_IN_EXPIRED()
  return found.transaction
}

/** @returns what another round has to bring; undefined when there is a session now */
async function signIn (
  scope: AuthScope, request: FastifyRequest, code: string, transaction: Transaction
): Promise<SignInNeed | undefined> {
  const { nonce, codeVerifier, scopes, claims } = transaction
  const now = scope.now()
  const absoluteEndsAt = now + scope.limits.absoluteMs
  const signedIn = await scope.provider.redeem({ code, nonce, codeVerifier, scopes, claims }, { absoluteEndsAt }).catch(needOf)
  if ('reason' in signedIn) return signedIn
  await scope.lifecycle.begin(request, startSession(signedIn.account, signedIn.claims, now, scope.limits))
  request.log.info({ event: 'signed-in', requestId: request.id }, 'a user signed in')
  return undefined
}

function needOf (error: unknown): SignInNeed {
  const need = signInNeedOf(error)
  if (need === undefined) throw error
  return need
}

/** What an error answer of the provider means here (RFC 6749, section 4.1.2.1; OpenID Connect Core, section 3.1.2.6). */
function refusalOf ({ error, cancelled }: Answer & { kind: 'error' }): Error {
  switch (error) {
    case 'access_denied': return cancelled ? new errors.SG_SIGN_IN_REFUSED() : new errors.SG_CONSENT_NEEDED()
    case 'consent_required': return new errors.SG_CONSENT_NEEDED()
    case 'login_required':
    case 'interaction_required': return new errors.SG_SIGN_IN_REFUSED()
    case 'server_error':
    case 'temporarily_unavailable': return new errors.SG_PROVIDER_UNAVAILABLE()
    default: return new errors.SG_PROVIDER_MISCONFIGURED()
  }
}
