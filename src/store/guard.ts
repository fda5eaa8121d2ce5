/** This file is the one way to a command: within a deadline, past the breaker, and with one error for all that can go wrong. */
import { errors } from '../errors.ts'
import type { Breaker } from './breaker.ts'
import { commandMs, DeadlineMissed, withDeadline } from './deadline.ts'
import type { Link } from './link.ts'

/** @throws SG_STORE_UNAVAILABLE with the cause; what the operation would have done may or may not have happened */
export type Guard<C> = <T>(operation: (connection: C) => Promise<T>) => Promise<T>

/**
 * Only silence opens the breaker. A refusal costs no time, and an error reply is an answer: when Redis is out of memory,
 * sessions must still be readable; when one master of a Cluster is gone, the others must.
 *
 * @param isAnswer - whether an error came from a server that is still the one to ask
 * @param deadlineMs - how long an operation may take
 */
export function createGuard<C extends { isUsable (): boolean }> (
  link: Link<C>, breaker: Breaker, isAnswer: (error: unknown) => boolean, deadlineMs = commandMs
): Guard<C> {
  function judge (error: unknown): void {
    if (error instanceof DeadlineMissed) {
      if (breaker.failed()) link.doubt(error)
      return
    }
    if (isAnswer(error)) breaker.succeeded()
    else link.doubt(error)
  }

  return async operation => {
    const connection = link.current()
    if (connection?.isUsable() !== true) throw unavailable(new Error('there is no connection'))
    if (!breaker.admits()) throw unavailable(new Error('the breaker is open'))
    try {
      const result = await withDeadline(operation(connection), deadlineMs)
      breaker.succeeded()
      return result
    } catch (error) {
      judge(error)
      throw unavailable(error)
    }
  }
}

function unavailable (cause: unknown): Error {
  return new errors.SG_STORE_UNAVAILABLE({ cause })
}
