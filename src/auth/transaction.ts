/**
 * This file keeps one pending sign-in in a sealed cookie of its own, so that several tabs can sign in at once and any
 * replica can finish what another began.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Sealer } from '../store/seal.ts'

/** One round trip to the provider. Everything in it is secret until the callback. */
export interface Transaction {
  readonly state: string
  readonly nonce: string
  /** RFC 7636, section 4.1: 43 characters of randomness. */
  readonly codeVerifier: string
  /** A local path, as `return-url.ts` let it through. */
  readonly returnUrl: string
  readonly scopes: readonly string[]
  /** A claims request as JSON text. */
  readonly claims?: string | undefined
  /** Epoch milliseconds. */
  readonly startedAt: number
}

/** What a callback's state led to. */
export type FoundTransaction =
  | { readonly kind: 'found', readonly transaction: Transaction }
  /** It took too long, or was used before. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown' }

/** A sign-in may take ten minutes, and a browser may have five under way; the oldest gives way. */
export const transactionMs = 600_000
const maxTransactions = 5
/** Leaves room for name and attributes. */
const maxCookieLength = 3800

export function startTransaction (wanted: Pick<Transaction, 'returnUrl' | 'scopes' | 'claims'>, now: number): Transaction {
  const secret = (): string => randomBytes(32).toString('base64url')
  return { ...wanted, state: secret(), nonce: secret(), codeVerifier: secret(), startedAt: now }
}

/** The S256 code challenge (RFC 7636, section 4.2). */
export function codeChallengeOf (transaction: Transaction): string {
  return createHash('sha256').update(transaction.codeVerifier).digest('base64url')
}

/** The state of a callback, and what says whether it comes for the first time. */
export interface TransactionUse {
  readonly state: string
  readonly claim: () => Promise<boolean>
}

export interface Transactions {
  /** Adds the transaction's cookie to the answer. */
  keep (request: FastifyRequest, reply: FastifyReply, transaction: Transaction): Promise<void>
  /**
   * Finds the transaction of a callback's state in the cookies of this browser, lets it be claimed, and removes its cookie.
   * When the claim throws, the cookie stays: nothing has happened, and the same callback may be tried again.
   *
   * @param claim - whether this is the first use of the state; asked only for a transaction that is this browser's
   */
  take (request: FastifyRequest, reply: FastifyReply, use: TransactionUse): Promise<FoundTransaction>
}

/** @param baseName - the session cookie's name; a transaction's cookie is called `<baseName>.t.<8 characters>` */
export function createTransactions (sealer: Sealer, baseName: string): Transactions {
  const prefix = `${baseName}.t.`
  const nameOf = (state: string): string => prefix + state.slice(0, 8)

  async function keep (request: FastifyRequest, reply: FastifyReply, transaction: Transaction): Promise<void> {
    const pending = await pendingOf(request)
    for (const { name } of pending.slice(0, Math.max(0, pending.length - maxTransactions + 1))) reply.clearCookie(name)
    const value = await sealToFit(transaction)
    // Always Lax: the provider's redirect back is a cross-site navigation, which a Strict cookie would miss.
    reply.setCookie(nameOf(transaction.state), value, { maxAge: transactionMs / 1000, sameSite: 'lax' })
  }

  /** Browsers drop a cookie above 4096 bytes without a word. The return URL gives way: first its query, then all of it. */
  async function sealToFit (transaction: Transaction): Promise<string> {
    const { returnUrl } = transaction
    let sealed = ''
    for (const shorter of [returnUrl, returnUrl.split(/[?#]/, 1)[0]!, '/']) {
      sealed = await sealer.seal('transaction', { ...transaction, returnUrl: shorter }, transactionMs)
      if (sealed.length <= maxCookieLength) break
    }
    return sealed
  }

  /** The pending sign-ins of a browser, oldest first; what does not open counts as oldest. */
  async function pendingOf (request: FastifyRequest): Promise<Array<{ name: string, startedAt: number }>> {
    const names = Object.keys(request.cookies).filter(name => name.startsWith(prefix))
    const pending = await Promise.all(names.map(async name => {
      const opened = await sealer.open('transaction', request.cookies[name] ?? '')
      const isLive = opened !== undefined && !opened.isExpired
      return { name, startedAt: isLive ? (opened.value as Transaction).startedAt : 0 }
    }))
    return pending.sort((a, b) => a.startedAt - b.startedAt)
  }

  async function take (
    request: FastifyRequest, reply: FastifyReply, { state, claim }: TransactionUse
  ): Promise<FoundTransaction> {
    const name = nameOf(state)
    const value = request.cookies[name]
    if (value === undefined) return { kind: 'unknown' }
    const opened = await sealer.open('transaction', value)
    const transaction = opened?.value as Transaction | undefined
    if (transaction === undefined || !isSame(transaction.state, state)) return { kind: 'unknown' }
    const isUsable = opened?.isExpired !== true && await claim()
    reply.clearCookie(name)
    return isUsable ? { kind: 'found', transaction } : { kind: 'expired' }
  }

  return { keep, take }
}

function isSame (a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
