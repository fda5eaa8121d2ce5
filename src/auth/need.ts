/**
 * This file carries what the next sign-in has to bring (scopes, claims) through the browser to `/.auth/login`.
 *
 * It is sealed and bound to the session that needs it: a request can choose where it returns to, never what is asked for
 * (security.md, A4).
 */
import type { FastifyRequest } from 'fastify'
import type { SignInNeed } from '../errors.ts'
import type { Sealer } from '../store/seal.ts'

export interface SignInNeeds {
  /** The address of a sign-in that brings what is needed and returns to `returnUrl`, a local path. */
  loginUrl (need: Pick<SignInNeed, 'scopes' | 'claims'>, returnUrl: string, sessionKey: string | undefined): Promise<string>
  /** What a login request is for: nothing special when `sealed` is missing, old, or another session's. */
  open (sealed: unknown, sessionKey: string | undefined): Promise<Pick<SignInNeed, 'scopes' | 'claims'> | undefined>
}

/** Tells why somebody who was signed in has to sign in again. Not of those who just come: there is nothing to say. */
export function logSignInNeed (request: Pick<FastifyRequest, 'id' | 'log' | 'signInReason'>, { reason, cause }: SignInNeed): void {
  request.signInReason = reason
  if (cause !== undefined) request.log.info({ event: 'sign-in-needed', requestId: request.id, reason, cause }, 'a sign-in is needed')
}

/** The challenge that 401 owes (RFC 9110, section 11.6.1; RFC 6750, section 3). Values are ours: no quoting is needed. */
export function signInChallenge ({ reason, scopes }: Pick<SignInNeed, 'reason' | 'scopes'>, loginUrl: string): string {
  const scope = scopes.length === 0 ? '' : `, scope="${scopes.join(' ')}"`
  return `Bearer realm="scopegate", reason="${reason}", login_url="${loginUrl}"${scope}`
}

/** How long a page may show a sign-in link that still brings what it was made for, in milliseconds. */
const needMs = 3_600_000

export function createSignInNeeds (sealer: Sealer): SignInNeeds {
  return {
    async loginUrl (need, returnUrl, sessionKey) {
      const query = new URLSearchParams({ post_login_redirect_uri: returnUrl })
      if (need.scopes.length > 0 || need.claims !== undefined) {
        const { scopes, claims } = need
        query.set('need', await sealer.seal('sign-in-need', { scopes, claims, sessionKey }, needMs))
      }
      return `/.auth/login?${query}`
    },
    async open (sealed, sessionKey) {
      const opened = typeof sealed === 'string' ? await sealer.open('sign-in-need', sealed) : undefined
      if (opened === undefined || opened.isExpired) return undefined
      const { scopes, claims, sessionKey: boundTo } = opened.value as SignInNeed & { sessionKey?: string }
      return boundTo === sessionKey ? { scopes, claims } : undefined
    }
  }
}
