/** This file is the assertion that something fails with the error it should fail with. */
import type { Test } from 'tap'

export interface Failure extends Omit<Error, 'cause'> {
  readonly code?: string
  readonly errorCode?: string
  readonly retryAfterMs?: number
  readonly cause?: Error | undefined
}

/** @param pattern - members of the error, as for `t.match` */
export async function fails (t: Test, work: unknown, pattern: object, message = 'fails as it should'): Promise<Failure> {
  let result: unknown
  try {
    result = await (typeof work === 'function' ? work() : work)
  } catch (error) {
    t.match(error, pattern, message)
    return error as Failure
  }
  t.fail(`${message}: it did not fail`, { result })
  return Object.assign(new Error('did not fail'), { cause: undefined })
}
