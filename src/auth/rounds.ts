/**
 * This file stops sign-in loops: three finished sign-ins for the same page and scopes within a minute, and the fourth ends
 * on a page instead of at the provider.
 *
 * The count is kept with the browser, not in the session: a session that cannot be kept is the usual cause of a loop.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Sealer } from '../store/seal.ts'
import type { Transaction } from './transaction.ts'

type Wanted = Pick<Transaction, 'returnUrl' | 'scopes'>
interface Round { readonly of: string, readonly at: number }

const windowMs = 60_000
const maxRounds = 3
/** Rounds of other pages that are remembered beside; bounds the cookie. */
const maxRemembered = 12

export interface Rounds {
  /** Whether another sign-in for this would be the fourth within a minute. */
  isLoop (request: FastifyRequest, wanted: Wanted): Promise<boolean>
  /** Counts a finished sign-in. */
  count (request: FastifyRequest, reply: FastifyReply, wanted: Wanted): Promise<void>
}

export function createRounds (sealer: Sealer, baseName: string, now: () => number): Rounds {
  const name = `${baseName}.r`

  async function recent (request: FastifyRequest): Promise<Round[]> {
    const opened = await sealer.open('sign-in-rounds', request.cookies[name] ?? '')
    const rounds = Array.isArray(opened?.value) ? opened.value as Round[] : []
    return rounds.filter(round => now() - round.at < windowMs)
  }

  return {
    async isLoop (request, wanted) {
      const of = fingerprint(wanted)
      return (await recent(request)).filter(round => round.of === of).length >= maxRounds
    },
    async count (request, reply, wanted) {
      const rounds = [...await recent(request), { of: fingerprint(wanted), at: now() }].slice(-maxRemembered)
      reply.setCookie(name, await sealer.seal('sign-in-rounds', rounds, windowMs), { maxAge: windowMs / 1000, sameSite: 'lax' })
    }
  }
}

/** Without the claims: an API may ask for other ones each time. */
function fingerprint ({ returnUrl, scopes }: Wanted): string {
  return createHash('sha256').update(JSON.stringify([returnUrl, scopes])).digest('base64url').slice(0, 12)
}
