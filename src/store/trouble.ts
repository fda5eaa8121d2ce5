/** This file says once a minute, not once a request, that the store is not there. */

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

export interface TroubleLogOptions {
  readonly log: Log
  /** What a line says does not answer. */
  readonly what: string
  /** Milliseconds that only grow. */
  readonly now: () => number
  /** The code in an answer of the server, if the error is one. */
  readonly codeOf: (error: unknown) => string | undefined
}

export function createTroubleLog ({ log, what, now, codeOf }: TroubleLogOptions): TroubleLog {
  let quietUntil = -Infinity
  let isKnown = false

  return {
    down (cause) {
      if (now() < quietUntil) return
      quietUntil = now() + quietMs
      isKnown = true
      log.warn({ event: 'store.down', err: cause, reply: codeOf(cause) }, `${what} does not answer`)
    },
    up () {
      if (isKnown) log.info({ event: 'store.up' }, `${what} answers again`)
      isKnown = false
    }
  }
}
