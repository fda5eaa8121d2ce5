/** This file remembers for which accounts a sign-in was asked that may not help, so that it is asked once and not for ever. */
import { createBoundedMap } from './bounded.ts'

export interface Rounds {
  /**
   * @param name - what the sign-in is to help with
   * @param holderKey - who asks; another one than before has signed in since
   * @returns whether a sign-in is worth trying
   */
  begin (name: string, holderKey: string): boolean
}

const rememberMs = 600_000
const maxNames = 10_000

/** @param now - epoch milliseconds */
export function createRounds (now: () => number): Rounds {
  const begun = createBoundedMap<{ readonly holderKey: string, readonly at: number }>(maxNames)
  return {
    begin (name, holderKey) {
      const before = begun.get(name)
      if (before !== undefined && Math.abs(now() - before.at) < rememberMs) return before.holderKey === holderKey
      begun.set(name, { holderKey, at: now() })
      return true
    }
  }
}
