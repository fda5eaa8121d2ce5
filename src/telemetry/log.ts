/**
 * This file is the log: one JSON line per request and per event. What may appear in a line is decided here, by naming it;
 * queries, bodies, header values, tokens and cookies are not among it.
 */
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

/** From the fewest lines to the most. */
export const logLevels: readonly string[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** Lines are gathered until there are so many bytes, or for so many milliseconds: each write costs as much as a request. */
const gatheredBytes = 16_384
const gatheredMs = 500
/** Above this, lines are dropped: a reader that stalls must not stop requests, nor fill the memory. */
const maxGatheredBytes = 8 * 1024 * 1024

/** What a pipe takes whole (PIPE_BUF). */
const wholeBytes = 4096

/** @param isShared - whether several processes write there: their lines must not mix */
export function standardOutput (isShared: boolean): DestinationStream {
  const maxWrite = isShared ? wholeBytes : gatheredBytes
  return gathering(pino.destination({ sync: false, maxWrite, periodicFlush: gatheredMs, maxLength: maxGatheredBytes }), maxWrite)
}

/** Lines are joined here: the output itself would measure all that it has gathered with each line that is added. */
function gathering (output: ReturnType<typeof pino.destination>, maxBytes: number): DestinationStream {
  const { write, flush, flushSync } = output
  let gathered = ''
  let bytes = 0
  let dropped = 0

  output.on('drop', (lines: string) => { dropped += lines.split('\n').length - 1 })
  // When all that was kept is out: the gap in the log is where this stands.
  output.on('drain', () => {
    if (dropped === 0) return
    const lines = dropped
    dropped = 0
    write.call(output, droppedLine(lines))
  })

  function pass (): void {
    if (bytes === 0) return
    write.call(output, gathered)
    gathered = ''
    bytes = 0
  }

  return Object.assign(output, {
    write (line: string) {
      const length = Buffer.byteLength(line)
      if (bytes + length > maxBytes) pass()
      gathered += line
      bytes += length
      return true
    },
    flush (done?: (error?: Error) => void) {
      pass()
      flush.call(output, done)
    },
    flushSync () {
      pass()
      flushSync.call(output)
    }
  })
}

function droppedLine (lines: number): string {
  const msg = 'nobody read the log for a while, and lines were dropped'
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), event: 'lines-dropped', lines, msg })}\n`
}

export function createLog (level: string, destination: DestinationStream): Logger {
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

/** A text in JSON. Those that need no escape, which is nearly all, are only put between quotes. */
export function quoted (text: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

interface Insides {
  readonly [pino.symbols.streamSym]: DestinationStream
  readonly [pino.symbols.timeSym]: () => string
  readonly [pino.symbols.chindingsSym]: string
}

/**
 * Writes a line of level `info` whose fields are JSON already, `,"name":value` each: what pino does with an object costs
 * more than the rest of the line.
 */
export function writeInfo (log: Logger, fields: string): void {
  const insides = log as unknown as Insides
  const { [pino.symbols.streamSym]: stream, [pino.symbols.timeSym]: time, [pino.symbols.chindingsSym]: bound } = insides
  stream.write(`{"level":"info"${time()}${bound}${fields}}\n`)
}
