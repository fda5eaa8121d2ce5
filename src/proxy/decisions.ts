/**
 * This file remembers what was decided about field names, so that a name is looked at once. Routes that decide alike share
 * what is remembered: a thousand routes are then as fast as one.
 */

/** What to do with a field of that name, as it came. */
export type Decision = (raw: string) => number

/** Anybody can send any number of different names; what is remembered is bounded. */
const maxRememberedNames = 1000

export interface Decisions {
  /** @param removed - names that the route removes besides the usual ones, in lower case */
  about (removed: ReadonlySet<string>): Decision
}

/** @param decide - gets a name in lower case */
export function createDecisions (decide: (name: string, removed: ReadonlySet<string>) => number): Decisions {
  const shared = new Map<string, Decision>()

  function remembering (removed: ReadonlySet<string>): Decision {
    const known = new Map<string, number>()
    return raw => {
      const remembered = known.get(raw)
      if (remembered !== undefined) return remembered
      const decided = decide(raw.toLowerCase(), removed)
      if (known.size < maxRememberedNames) known.set(raw, decided)
      return decided
    }
  }

  return {
    about (removed) {
      const key = [...removed].sort().join(' ')
      const decision = shared.get(key) ?? remembering(removed)
      shared.set(key, decision)
      return decision
    }
  }
}
