/** This file decides how long a token is used and when it is renewed, pure. All instants are epoch milliseconds. */

export interface Lifetime {
  readonly softAt: number
  readonly hardAt: number
}

/** What the provider said. */
export interface Expiry {
  readonly expiresAt: number
  readonly refreshAt?: number | undefined
}

const minute = 60_000

/**
 * A token is not used in its last minute, so that it does not expire on its way, and is renewed five minutes earlier, or
 * when the provider says so. Short lives shrink both.
 *
 * @param random - from 0 to 1: spreads renewals, so that tokens of one moment are not renewed in one moment
 */
export function lifetimeOf ({ expiresAt, refreshAt }: Expiry, now: number, random: number): Lifetime {
  const life = expiresAt - now
  const hardAt = expiresAt - Math.min(minute, life / 2)
  const latest = hardAt - Math.min(5 * minute, life / 3)
  const softAt = Math.min(refreshAt ?? latest, latest) - random * Math.min(minute, life / 10)
  return { softAt, hardAt }
}
