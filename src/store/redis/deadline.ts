/**
 * This file ends the waiting for a Redis that does not answer: neither the client nor its socket options do so for one
 * that is stalled.
 */

/** How long a command may take (security.md, 4.1). */
export const commandMs = 500

/** The answer did not come in time. Whether the command was carried out, or still will be, is not known. */
export class DeadlineMissed extends Error {
  constructor () {
    super('no answer in time')
    this.name = 'DeadlineMissed'
  }
}

/** What the promise brings, or `DeadlineMissed`. What comes later is dropped, errors too. */
export async function withDeadline<T> (promise: Promise<T>, ms = commandMs): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => { reject(new DeadlineMissed()) }, ms)
    promise.then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}
