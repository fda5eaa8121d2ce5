/**
 * This file lets so many calls go at once. The others wait in the order in which they came, for a while: after an outage
 * everybody comes back, and a call that waits must not count as one that the provider did not answer.
 */

export interface Slots {
  /** At once when one is free. @returns gives the slot back; undefined when none became free in time */
  take (): (() => void) | Promise<(() => void) | undefined>
}

export interface SlotsOptions {
  readonly count: number
  readonly maxWaitMs: number
}

export function createSlots ({ count, maxWaitMs }: SlotsOptions): Slots {
  let free = count
  /** In order of arrival. */
  const waiting = new Set<() => void>()

  function giveBack (): void {
    const [next] = waiting
    if (next === undefined) free++
    else next()
  }

  return {
    take () {
      if (free > 0) {
        free--
        return giveBack
      }
      return new Promise(resolve => {
        const timer = setTimeout(() => {
          waiting.delete(goOn)
          resolve(undefined)
        }, maxWaitMs)
        function goOn (): void {
          clearTimeout(timer)
          waiting.delete(goOn)
          resolve(giveBack)
        }
        waiting.add(goOn)
      })
    }
  }
}
