/** This file ends what a run has started, in the reverse order, however the run ends. */
export interface Cleanup {
  /** Called once, when the run is over. */
  add (end: () => Promise<void> | void): void
  run (): Promise<void>
}

export function createCleanup (): Cleanup {
  const ends: Array<() => Promise<void> | void> = []
  return {
    add (end) { ends.push(end) },
    async run () {
      for (const end of ends.splice(0).reverse()) await end()
    }
  }
}
