/** This file tells whether a process holds up its own event loop. */

/** A turn in which a process computes for longer than this keeps its users waiting. */
const longMs = 50

/**
 * Counts the turns in which this process computed for long. It is the time on the processor that counts: by the clock on
 * the wall a turn is also late when the machine does something else.
 */
export async function longTurnsDuring (work: () => Promise<void>): Promise<number> {
  let count = 0
  let last = computedMs()
  const sampler = setInterval(() => {
    const now = computedMs()
    if (now - last > longMs) count++
    last = now
  }, 5)
  try {
    await work()
  } finally {
    clearInterval(sampler)
  }
  return count
}

function computedMs (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
