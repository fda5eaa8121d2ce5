/**
 * This file limits how often a client address may do something: so many at once, then that many a minute. What it
 * remembers is bounded, and nothing runs in the background.
 */

export interface RateLimit {
  /** Counts one. @returns 0 when it is within the rate, and otherwise for how many milliseconds it is not */
  take (address: string): number
  /** Counts nothing. @returns what `take` would */
  wait (address: string): number
  /** Takes back one that was counted. */
  giveBack (address: string): void
}

export interface RateLimitOptions {
  readonly perMinute: number
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Addresses that are remembered; the one that was quiet longest is forgotten first. */
  readonly maxAddresses?: number
}

const minuteMs = 60_000

/**
 * Of each address only the moment is kept at which it will have the whole minute's number again (the generic cell rate
 * algorithm, ITU-T I.371). One that is forgotten begins anew: whoever has so many addresses is not stopped by counting them.
 */
export function createRateLimit ({ perMinute, now, maxAddresses = 10_000 }: RateLimitOptions): RateLimit {
  const eachMs = minuteMs / perMinute
  // Sums of fractions are not exact.
  const slackMs = Math.min(1, eachMs) / 2
  const fullAt = new Map<string, number>()

  /** More than a minute ahead is no moment that was kept, but a clock that was set back: it locks nobody out. */
  function usedOf (name: string, at: number): number {
    const used = (fullAt.get(name) ?? at) - at
    return used > 0 && used <= minuteMs + slackMs ? used : 0
  }

  function remember (name: string, moment: number): void {
    fullAt.delete(name)
    if (fullAt.size >= maxAddresses) {
      const [quietest] = fullAt.keys()
      if (quietest !== undefined) fullAt.delete(quietest)
    }
    fullAt.set(name, moment)
  }

  /** Of what would be used with one more. */
  const waitFor = (used: number): number => used > minuteMs + slackMs ? used - minuteMs : 0

  return {
    take (address) {
      const name = networkOf(address)
      const at = now()
      const used = usedOf(name, at) + eachMs
      const waitMs = waitFor(used)
      if (waitMs === 0) remember(name, at + used)
      return waitMs
    },
    wait: address => waitFor(usedOf(networkOf(address), now()) + eachMs),
    giveBack (address) {
      const name = networkOf(address)
      const at = now()
      const used = usedOf(name, at) - eachMs
      if (used > 0) remember(name, at + used)
      else fullAt.delete(name)
    }
  }
}

/** An IPv6 client has a whole /64 to itself, and may use another address of it for each request (RFC 6177). */
export function networkOf (address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.toLowerCase().split('%')[0]!.split('::') as [string, string?]
  const groups = head === '' ? [] : head.split(':')
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const all = [...groups, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...(tail ?? '').split(':')]
  return `${all.slice(0, 4).map(group => group.replace(/^0+(?=.)/, '')).join(':')}::/64`
}
