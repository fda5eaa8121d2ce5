/**
 * This file ends the waiting for a server that does not answer: no client library does so for one that is stalled.
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

/**
 * What the promise brings, or `DeadlineMissed`. What comes later is dropped, errors too.
 *
 * An answer that waits to be read counts: after this process has stood still, timers come first, and the server is not to
 * blame.
 */
export async function withDeadline<T> (promise: Promise<T>, ms = commandMs): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => { setImmediate(() => { reject(new DeadlineMissed()) }) }, ms)
    promise.then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}
