/** This file is the one clock of the emulator: lives, `iat`, revocations and the `Date` header all read it. */

/** A clock that tests can move. Instants are epoch milliseconds. */
export interface Clock {
  now (): number
  /** Whole seconds, as in JWT claims. */
  seconds (): number
  /** Moves time forward (or back, when negative). */
  advance (seconds: number): void
  /** Jumps to an instant and goes on from there; a frozen clock stays frozen. */
  set (at: number): void
  /** Stops time at the present instant, or lets it run on from there. */
  freeze (frozen: boolean): void
}

export function createClock (): Clock {
  let offset = 0
  let frozenAt: number | undefined
  const now = () => frozenAt ?? Date.now() + offset
  const set = (at: number) => {
    offset = at - Date.now()
    if (frozenAt !== undefined) frozenAt = at
  }
  return {
    now,
    set,
    seconds: () => Math.floor(now() / 1000),
    advance: (seconds) => set(now() + seconds * 1000),
    freeze: (frozen) => {
      const at = now()
      set(at)
      frozenAt = frozen ? at : undefined
    }
  }
}
