/** This file asks another process something, and does not ask again before there is an answer. */

export interface Question<A> {
  /** @returns undefined when there is no answer within so many milliseconds */
  ask (ms: number): Promise<A | undefined>
  /** What the other one said: for all who wait. */
  answer (answer: A): void
}

/**
 * Whoever asks while the question is open waits for the same answer: to a process that stands still, questions must not
 * pile up.
 *
 * @param put - sends the question
 */
export function createQuestion<A> (put: () => void): Question<A> {
  const waiting = new Set<(answer: A) => void>()
  let isOpen = false

  return {
    async ask (ms) {
      return await new Promise(resolve => {
        const timer = setTimeout(() => {
          waiting.delete(settle)
          resolve(undefined)
        }, ms)
        // A process that ends does not wait for it.
        timer.unref()
        function settle (answer: A): void {
          clearTimeout(timer)
          resolve(answer)
        }
        waiting.add(settle)
        if (isOpen) return
        isOpen = true
        put()
      })
    },
    answer (answer) {
      isOpen = false
      const settled = [...waiting]
      waiting.clear()
      for (const settle of settled) settle(answer)
    }
  }
}
