/** This file has expired rows deleted: a database, unlike Redis, keeps them. */

/** @param sweep - deletes a batch and says how many rows it had */
export function createSweeper (sweep: () => Promise<number>, everyMs: number): { stop (): void } {
  const state = { isStopped: false }
  let timer = schedule()

  function schedule (): NodeJS.Timeout {
    // At another moment in each replica: they would only wait for each other.
    return setTimeout(sweepAll, everyMs * (0.5 + Math.random())).unref()
  }

  async function sweepAll (): Promise<void> {
    try {
      while (!state.isStopped && await sweep() > 0);
    } catch {
      // Whoever needs the database sees that it fails; the rows are there the next time.
    }
    if (!state.isStopped) timer = schedule()
  }

  return {
    stop () {
      state.isStopped = true
      clearTimeout(timer)
    }
  }
}
