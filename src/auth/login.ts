/**
 * This file begins a sign-in: `GET /.auth/login`, also as `/.auth/login/aad`.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { Claims } from '../session/session.ts'
import type { AuthScope } from './routes.ts'
import { readQuery, single } from './query.ts'
import { parseReturnUrl } from './return-url.ts'
import { codeChallengeOf, startTransaction } from './transaction.ts'

/**
 * Sends the browser to the provider. A request chooses where to return to and may hint at an account or domain; scopes,
 * claims, prompt and redirect URI are never its to choose.
 *
 * @throws SG_STORE_UNAVAILABLE the sign-in could not be stored: the user hears it before signing in, not after
 * @throws SG_SIGN_IN_LOOP the same sign-in was finished three times within a minute and did not help
 */
export async function login (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!scope.store.isReady()) throw new errors.SG_STORE_UNAVAILABLE()
  const query = readQuery(request.url)
  const current = scope.lifecycle.current(request)
  const need = await scope.needs.open(single(query('need')), current?.key)
  const transaction = startTransaction({
    returnUrl: parseReturnUrl(query('post_login_redirect_uri')),
    scopes: need === undefined || need.scopes.length === 0 ? scope.initialScopes : need.scopes,
    claims: need?.claims
  }, scope.now())
  if (await scope.rounds.isLoop(request, transaction)) throw new errors.SG_SIGN_IN_LOOP()
  const { state, nonce, scopes, claims } = transaction
  const url = await scope.provider.signInUrl({
    state,
    nonce,
    scopes,
    claims,
    codeChallenge: codeChallengeOf(transaction),
    loginHint: hint(query('login_hint')) ?? (need && loginHintOf(current?.session.claims)),
    domainHint: hint(query('domain_hint'))
  })
  await scope.transactions.keep(request, reply, transaction)
  return reply.redirect(url, 302)
}

/** A hint is short text for the provider; anything else is left out. */
function hint (parameter: ReturnType<ReturnType<typeof readQuery>>): string | undefined {
  const text = single(parameter)
  return text !== undefined && /^[\x21-\x7e]{1,512}$/.test(text) ? text : undefined
}

/** Someone who is signed in and needs more should not have to pick the account again. */
function loginHintOf (claims: Claims | undefined): string | undefined {
  const value = claims?.login_hint ?? claims?.preferred_username
  return typeof value === 'string' ? value : undefined
}
