/**
 * This file finishes a sign-in: `GET /.auth/callback`, the redirect URI.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors, type SignInNeed, signInNeedOf } from '../errors.ts'
import type { SignInFailure } from '../identity/provider.ts'
import { startSession } from '../session/session.ts'
import { logSignInNeed } from './need.ts'
import { consentGivenPage } from './pages/consent-given.ts'
import { readQuery, repeated, single } from './query.ts'
import type { AuthScope } from './routes.ts'
import { type Transaction, transactionMs } from './transaction.ts'
import type { TriedSignIn } from './tried.ts'

/** The provider's answer, as the query brings it (RFC 6749, section 4.1.2). */
type Answer =
  | { readonly kind: 'code', readonly state: string, readonly code: string }
  | { readonly kind: 'error', readonly state: string, readonly failure: SignInFailure }
  /** An administrator was asked to consent for everyone, perhaps by somebody else and in another browser. */
  | { readonly kind: 'admin', readonly consented: boolean }

/** The `state` of such a request. No sign-in's: those are random, and longer. */
const adminState = 'admin-consent'

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
  if (answer.kind === 'admin') return afterAdmin(answer.consented, reply)
  const transaction = await takeTransaction(scope, request, reply, answer.state)
  const { scopes, claims, returnUrl } = transaction
  const tried = { need: { scopes, claims }, returnUrl, sessionKey: scope.lifecycle.current(request)?.key }
  request.tried = tried
  if (answer.kind === 'error') throw refuse(scope, request, tried, answer.failure)
  const need = await signIn(scope, request, answer.code, transaction)
  if (need === undefined) scope.rates.forgiveSignIn(request.raw)
  await scope.rounds.count(request, reply, { ...transaction, ...need })
  return reply.redirect(need === undefined ? returnUrl : await anotherRound(scope, request, transaction, need), 303)
}

/** The provider wants more before it redeems the code. Counted like a finished round, so that this cannot go on for ever. */
async function anotherRound (
  scope: AuthScope, request: FastifyRequest, { returnUrl }: Transaction, need: SignInNeed
): Promise<string> {
  return await scope.needs.loginUrl(need, returnUrl, scope.lifecycle.current(request)?.key)
}

function parseAnswer (url: string): Answer {
  const query = readQuery(url)
  const [state, code, error, subcode, description] = ['state', 'code', 'error', 'error_subcode', 'error_description'].map(query)
  if ([state, code, error, subcode].includes(repeated)) throw new errors.SG_SIGN_IN_MISMATCH()
  if (typeof state !== 'string' || state === '') throw new errors.SG_SIGN_IN_MISMATCH()
  if (state === adminState) return { kind: 'admin', consented: query('admin_consent') === 'True' && error === undefined }
  if (typeof code === 'string' && error === undefined && code !== '') return { kind: 'code', state, code }
  if (typeof error === 'string' && code === undefined) {
    return { kind: 'error', state, failure: { error, subcode: single(subcode) ?? '', description: single(description) ?? '' } }
  }
  throw new errors.SG_SIGN_IN_MISMATCH()
}

/** Nothing has changed here, and nothing is believed: whether there is consent now shows at the next sign-in. */
function afterAdmin (consented: boolean, reply: FastifyReply): FastifyReply {
  if (!consented) throw new errors.SG_CONSENT_NEEDED()
  return reply.type('text/html; charset=utf-8').send(consentGivenPage())
}

function refuse (scope: AuthScope, request: FastifyRequest, tried: TriedSignIn, failure: SignInFailure): Error {
  const tid = scope.lifecycle.current(request)?.session.account.tid
  const { error, adminConsentUrl } = scope.provider.refusal(failure, { ...tried.need, tid, adminState })
  request.tried = { ...tried, adminConsentUrl }
  return error
}

/** The transaction that this answer is for. Claimed before the code is used: of two equal callbacks one wins. */
async function takeTransaction (
  scope: AuthScope, request: FastifyRequest, reply: FastifyReply, state: string
): Promise<Transaction> {
  // A hash is name enough: nobody can guess 256 random bits, and it is the same on replicas with different keys.
  const name = `st:${createHash('sha256').update(state).digest('base64url')}`
  const claim = async (): Promise<boolean> => await scope.store.claim(name, transactionMs)
  const found = await scope.transactions.take(request, reply, { state, claim })
  if (found.kind === 'unknown') throw new errors.SG_SIGN_IN_MISMATCH()
  if (found.kind === 'expired') throw new errors.SG_SIGN_IN_EXPIRED()
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
  if ('reason' in signedIn) {
    logSignInNeed(request, signedIn)
    return signedIn
  }
  const session = startSession(signedIn.account, signedIn.claims, now, scope.limits)
  await scope.lifecycle.begin(request, { ...session, askedClaims: claims })
  request.tokenSource = 'interactive'
  request.log.info({ event: 'signed-in', audit: true, requestId: request.id, user: scope.nameInLog(signedIn.account) }, 'a user signed in')
  return undefined
}

function needOf (error: unknown): SignInNeed {
  const need = signInNeedOf(error)
  if (need === undefined) throw error
  return need
}
