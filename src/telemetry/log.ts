/**
 * This file is the log: one JSON line per request and per event. What may appear in a line is decided here, by naming it;
 * queries, bodies, header values, tokens and cookies are not among it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

/** @param destination - standard output unless a test listens */
export function createLog (level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError, req: () => undefined, res: () => undefined }
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** An error's names, codes and stacks down its causes; not its message, which may quote what somebody sent. */
function describeError (error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error }
  return {
    type: error.name,
    code: 'code' in error ? String(error.code) : undefined,
    stack: error.stack?.split('\n').filter(line => /^\s+at /.test(line)).slice(0, 10),
    cause: error.cause === undefined ? undefined : describeError(error.cause)
  }
}

/** An onResponse hook: the one line of a request. */
export function logRequest (log: Logger) {
  return function logOneRequest (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    if (log.isLevelEnabled('info')) {
      log.info({
        requestId: request.id,
        method: request.method,
        path: pathOf(request.raw.url),
        route: request.routeOptions.config.route ?? request.routeOptions.url,
        status: reply.raw.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10
      })
    }
    done()
  }
}

declare module 'fastify' {
  interface FastifyContextConfig { route?: string }
}

function pathOf (url: string | undefined): string | undefined {
  return url?.split('?', 1)[0]
}
