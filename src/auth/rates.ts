/**
 * This file says what counts against which rate of a client address (security.md, 4.1): sign-ins, sign-outs, and requests
 * with a session cookie or a bearer token that is none.
 */
import type { IncomingMessage } from 'node:http'
import { TooManyRequests } from '../errors.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'

export interface Rates {
  /**
   * Counts a request to one of the endpoints, by the path of its route.
   * @throws TooManyRequests its address has used up the rate; the request has cost nothing yet
   */
  countEndpoint (path: string, request: IncomingMessage): void
  /**
   * A sign-in came to its end, so it does not count: any number of users behind one address can sign in, and whoever
   * begins without ending is stopped.
   */
  forgiveSignIn (request: IncomingMessage): void
  /**
   * Counts a request whose session cookie is no session, or not any more.
   * @throws TooManyRequests its address has used up the rate
   */
  countInvalidCookie (request: IncomingMessage): void
  /**
   * Counts a request whose bearer token is no good.
   * @throws TooManyRequests its address has used up the rate
   */
  countInvalidToken (request: IncomingMessage): void
  /**
   * Counts nothing: verifying a token is the work that the rate of bad ones is to spare.
   * @throws TooManyRequests its address has used up the rate of bad bearer tokens
   */
  refuseTokenGuesser (request: IncomingMessage): void
}

export interface RatesOptions {
  readonly signInsPerMinute: number
  readonly signOutsPerMinute: number
  readonly invalidCookiesPerMinute: number
  readonly addressOf: (request: IncomingMessage) => string
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly onRefusal: (rate: string, address: string) => void
}

interface Rate {
  readonly name: string
  readonly limit: RateLimit
}

export function createRates (options: RatesOptions): Rates {
  const { addressOf, now, onRefusal } = options
  const rate = (name: string, perMinute: number): Rate => ({ name, limit: createRateLimit({ perMinute, now }) })
  const begun = rate('sign-ins', options.signInsPerMinute)
  const finished = rate('callbacks', options.signInsPerMinute)
  const signOuts = rate('sign-outs', options.signOutsPerMinute)
  const invalidCookies = rate('invalid cookies', options.invalidCookiesPerMinute)
  const invalidTokens = rate('invalid tokens', options.invalidCookiesPerMinute)
  const ofEndpoint = new Map([
    ['/.auth/login', begun],
    ['/.auth/login/aad', begun],
    ['/.auth/callback', finished],
    ['/.auth/logout', signOuts],
    ['/.auth/frontchannel-logout', signOuts]
  ])

  function count (rate: Rate, request: IncomingMessage): void {
    refuseWhoMustWait(rate, request, rate.limit.take)
  }

  function refuseWhoMustWait ({ name }: Rate, request: IncomingMessage, wait: (address: string) => number): void {
    const address = addressOf(request)
    if (isLoopback(address)) return
    const waitMs = wait(address)
    if (waitMs === 0) return
    onRefusal(name, address)
    throw new TooManyRequests(waitMs)
  }

  return {
    countEndpoint (path, request) {
      const found = ofEndpoint.get(path)
      if (found !== undefined) count(found, request)
    },
    forgiveSignIn (request) {
      const address = addressOf(request)
      begun.limit.giveBack(address)
      finished.limit.giveBack(address)
    },
    countInvalidCookie: request => { count(invalidCookies, request) },
    countInvalidToken: request => { count(invalidTokens, request) },
    refuseTokenGuesser: request => { refuseWhoMustWait(invalidTokens, request, invalidTokens.limit.wait) }
  }
}

/** Nobody far away: somebody at this machine, or a proxy on it that nobody listed, behind which everybody would be one client. */
function isLoopback (address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
