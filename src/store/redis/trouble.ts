/** This file says once a minute, not once a request, that Redis is not there. */

export interface Log {
  info (fields: object, message: string): void
  warn (fields: object, message: string): void
  error (fields: object, message: string): void
}

export interface TroubleLog {
  down (cause: unknown): void
  up (): void
}

const quietMs = 60_000

/** @param now - milliseconds that only grow */
export function createTroubleLog (log: Log, what: string, now: () => number): TroubleLog {
  let quietUntil = -Infinity
  let isKnown = false

  return {
    down (cause) {
      if (now() < quietUntil) return
      quietUntil = now() + quietMs
      isKnown = true
      log.warn({ event: 'store.down', err: cause, reply: replyCodeOf(cause) }, `${what} does not answer`)
    },
    up () {
      if (isKnown) log.info({ event: 'store.up' }, `${what} answers again`)
      isKnown = false
    }
  }
}

/**
 * The code that an error reply of Redis begins with (`OOM`, `WRONGPASS`, `ERR`), or undefined if this is no reply. It is
 * the protocol's; what follows it is prose and may quote the command.
 */
export function replyCodeOf (error: unknown): string | undefined {
  return error instanceof Error ? /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] : undefined
}
