/**
 * This file notices that the process stood still: by a timer that comes late. What queued up meanwhile is turned away,
 * since its senders have given up or will, and whoever comes next is served at once.
 */

export interface Stall {
  /** Whether the process is just coming back from one. */
  readonly isOn: () => boolean
  close (): void
}

const everyMs = 250

/**
 * @param maxMs - how long the process may stand still without any consequence
 * @param onChange - called with its length when a stall has been noticed, and with 0 when the process keeps up again
 */
export function watchStalls (maxMs: number, onChange: (stalledMs: number) => void): Stall {
  let isOn = false
  let expectedAt = performance.now() + everyMs

  function look (): void {
    const lateMs = performance.now() - expectedAt
    expectedAt = performance.now() + everyMs
    const wasOn = isOn
    isOn = lateMs > maxMs
    if (isOn) onChange(Math.round(lateMs))
    else if (wasOn) onChange(0)
  }

  const timer = setInterval(look, everyMs)
  timer.unref()
  return { isOn: () => isOn, close () { clearInterval(timer) } }
}
