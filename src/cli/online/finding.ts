/** This file says what looking at a target comes to, and ends looks that take too long. */

export interface Finding {
  /** What was looked at, with its address. */
  readonly target: string
  /** `warning`: the gateway can serve, and something should be mended. */
  readonly outcome: 'ok' | 'warning' | 'failed'
  /** What there is, or what is wrong and how to mend it. */
  readonly text: string
}

export type Result = Omit<Finding, 'target'>

export function ok (text: string): Result {
  return { outcome: 'ok', text }
}

export function warning (text: string): Result {
  return { outcome: 'warning', text }
}

export function failed (text: string): Result {
  return { outcome: 'failed', text }
}

/**
 * Never throws, and is over when the deadline is.
 *
 * @param work - should end when its signal does; what it comes to after that is dropped
 * @param inWords - what an error means
 * @param late - what to say when there was no result in time
 */
export async function withinDeadline (
  deadlineMs: number, work: (signal: AbortSignal) => Promise<Result>, { inWords, late }: Wording
): Promise<Result> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<Result>(resolve => {
    timer = setTimeout(() => {
      resolve(failed(late(deadlineMs / 1000)))
      controller.abort()
    }, deadlineMs)
  })
  const looked = work(controller.signal).catch((error: unknown) => failed(inWords(error)))
  return await Promise.race([looked, deadline]).finally(() => { clearTimeout(timer) })
}

export interface Wording {
  readonly inWords: (error: unknown) => string
  readonly late: (seconds: number) => string
}
