/**
 * This file is the log: one JSON line per request and per event. What may appear in a line is decided here, by naming it;
 * queries, bodies, header values, tokens and cookies are not among it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

/** From the fewest lines to the most. */
export const logLevels: readonly string[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** Lines are gathered until there are so many bytes, or for so many milliseconds: a write per line costs a request's share. */
const gatheredBytes = 4096
const gatheredMs = 500
/** Above this, lines are dropped: a reader that stalls must not stop requests, nor fill the memory. */
const maxGatheredBytes = 8 * 1024 * 1024

function standardOutput (): DestinationStream {
  return pino.destination({ sync: false, minLength: gatheredBytes, periodicFlush: gatheredMs, maxLength: maxGatheredBytes })
}

/** @param destination - standard output unless a test listens */
export function createLog (level: string, destination: DestinationStream = standardOutput()): Logger {
  const options = {
    level,
    base: null,
    timestamp: isoTime(),
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: (error: unknown) => describeError(error), req: () => undefined, res: () => undefined },
    hooks: { logMethod: withoutMessage }
  }
  return pino(options, destination)
}

/** RFC 3339, written once per millisecond however many lines that has. */
function isoTime (): () => string {
  let at = NaN
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) {
      at = now
      text = `,"time":"${new Date(now).toISOString()}"`
    }
    return text
  }
}

/** pino takes the message of a logged error for the text of the line when there is no other. */
function withoutMessage (this: Logger, args: unknown[], log: (...args: unknown[]) => void): void {
  const [first, text] = args
  const error = first instanceof Error ? first : (first as { err?: unknown } | undefined)?.err
  if (error instanceof Error && text === undefined) log.apply(this, [{ ...(first instanceof Error ? {} : first as object), err: error }, 'error'])
  else log.apply(this, args)
}

const maxCauses = 5

/** An error's names, codes and stacks down its causes; not its message, which may quote what somebody sent. */
function describeError (error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error }
  try {
    return {
      type: error.name,
      code: 'code' in error ? String(error.code) : undefined,
      stack: placesOf(error),
      cause: error.cause === undefined || depth === maxCauses ? undefined : describeError(error.cause, depth + 1)
    }
  } catch {
    // Anything can be thrown; the log must not break on it.
    return { type: 'unreadable' }
  }
}

/** The places in the code, without the message that a stack begins with, whatever its lines look like. */
function placesOf ({ stack, message }: Error): string[] | undefined {
  if (typeof stack !== 'string') return undefined
  const at = stack.indexOf(message)
  return stack.slice(at < 0 ? 0 : at + message.length).split('\n').filter(line => /^\s+at .*:\d+:\d+\)?$/.test(line)).slice(0, 10)
}

/** An onResponse hook: the one line of a request. */
export function logRequest (log: Logger) {
  return function logOneRequest (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    if (log.isLevelEnabled('info')) {
      log.info({
        requestId: request.id,
        method: request.method,
        path: pathOf(request.raw.url),
        route: request.routeId ?? request.routeOptions.config.route ?? request.routeOptions.url,
        status: reply.raw.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10
      })
    }
    done()
  }
}

declare module 'fastify' {
  interface FastifyContextConfig { route?: string }
  interface FastifyRequest {
    /** The route of a request that was proxied: `routeOptions` makes an object of everything there is about it. */
    routeId: string | undefined
  }
}

function pathOf (url: string | undefined): string | undefined {
  return url?.split('?', 1)[0]
}
