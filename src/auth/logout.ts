/**
 * This file ends a session: `/.auth/logout` here and then at the provider, `/.auth/logout/done` when both are through.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { EndedSession } from '../session/lifecycle.ts'
import { confirmSignOutPage } from './pages/confirm-sign-out.ts'
import { signedOutPage } from './pages/signed-out.ts'
import { readQuery } from './query.ts'
import { parseReturnUrl } from './return-url.ts'
import type { AuthScope } from './routes.ts'

/** The provider's sign-out comes back to a registered address without parameters, so the wanted page waits in a cookie. */
const waitingSeconds = 300

/**
 * Ends the session, with `scope=all` every session of the user, drops the tokens, then goes to the provider's sign-out. A
 * request that another site caused gets a page that asks first.
 */
export async function logout (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = readQuery(request.url)
  const wanted = parseReturnUrl(query('post_logout_redirect_uri'))
  const isEverywhere = query('scope') === 'all'
  if (!isFromHere(scope, request)) {
    if (request.method === 'POST') throw new errors.SG_ORIGIN_REFUSED()
    return reply.type('text/html; charset=utf-8').send(confirmSignOutPage(wanted, isEverywhere))
  }
  const ended = await scope.lifecycle.end(request, reply)
  const others = isEverywhere && ended !== undefined ? await scope.lifecycle.endAllOf(ended.session.account) : []
  for (const other of others) await dropTokens(scope, other, true)
  const url = await dropTokens(scope, ended, isEverywhere || ended?.last === true)
  if (wanted !== '/') reply.setCookie(afterLogout(scope), wanted, { maxAge: waitingSeconds, sameSite: 'lax' })
  const user = ended && scope.nameInLog(ended.session.account)
  if (ended !== undefined) scope.metrics.sessionEnded('signed-out', 1 + others.length)
  request.log.info({ event: 'signed-out', audit: true, requestId: request.id, user }, 'a user signed out')
  return reply.redirect(url, 303)
}

/** Drops the tokens of a session that has ended. @returns where the provider's sign-out is */
export async function dropTokens (scope: AuthScope, ended: EndedSession | undefined, dropAccount: boolean): Promise<string> {
  const postLogoutRedirectUri = new URL('/.auth/logout/done', scope.publicUrl).href
  if (ended === undefined) return await scope.provider.signOutUrl(undefined, { postLogoutRedirectUri, dropAccount: false })
  const { key, session: { account, claims } } = ended
  const loginHint = loginHintClaim(claims)
  return await scope.provider.signOutUrl({ key, account }, { postLogoutRedirectUri, loginHint, dropAccount })
}

/** The signed-out page, or on to the page that was asked for. */
export async function loggedOut (scope: AuthScope, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = afterLogout(scope)
  const wanted = parseReturnUrl(request.cookies[name])
  if (request.cookies[name] !== undefined) reply.clearCookie(name)
  if (wanted !== '/') return reply.redirect(wanted, 303)
  return reply.type('text/html; charset=utf-8').send(signedOutPage())
}

function afterLogout (scope: AuthScope): string {
  return `${scope.cookieName}.after`
}

/** Only the opaque claim of that name suppresses the provider's account picker; a user name does not. */
function loginHintClaim (claims: Readonly<Record<string, unknown>>): string | undefined {
  return typeof claims.login_hint === 'string' ? claims.login_hint : undefined
}

/**
 * Whether the request was made by a page of ours or typed by the user. Same-site siblings are strangers too: an attacker
 * may own one (security.md, G). Without Sec-Fetch-Site, Origin and then Referer tell; a POST needs one of them.
 */
function isFromHere (scope: AuthScope, request: FastifyRequest): boolean {
  const { 'sec-fetch-site': site, origin, referer } = request.headers
  if (typeof site === 'string') return site === 'same-origin' || site === 'none'
  const from = origin ?? referer
  if (from === undefined) return request.method !== 'POST'
  return URL.canParse(from) && new URL(from).origin === scope.publicUrl.origin
}
