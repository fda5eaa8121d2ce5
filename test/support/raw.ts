/**
 * This file speaks HTTP/1.1 byte by byte: what a test sends is what the other side gets, and what comes back is shown as
 * it came. Clients of Node and undici would repair the one and hide the other.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'

export interface RawAnswer {
  readonly version: string
  readonly status: number
  /** Names and values in turn, as received. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** Whether the message ended as its framing promised; false when the connection broke within it. */
  readonly isComplete: boolean
  /** The only value of a field; undefined when there is none. Throws when there are several. */
  header (name: string): string | undefined
  all (name: string): string[]
  text (): string
  json (): any
}

export interface RawConnection {
  readonly socket: Socket
  send (bytes: string | Buffer): void
  /**
   * The next answer, interim ones (1xx) included.
   * @returns undefined when the connection was closed, or the deadline passed, before the answer began
   */
  answer (options?: AnswerOptions): Promise<RawAnswer | undefined>
  /** Whether the other side closes before the deadline. */
  isClosedWithin (ms: number): Promise<boolean>
  /** What has come and was not yet read as an answer. */
  rest (): Buffer
}

export interface AnswerOptions {
  /** The answer to HEAD: it has no body whatever its fields say. */
  readonly head?: boolean
  readonly deadlineMs?: number
}

const defaultDeadlineMs = 10_000

/** Opens a connection that ends with the test. */
export async function connectRaw (t: Test, port: number): Promise<RawConnection> {
  const socket = connect({ host: '127.0.0.1', port })
  t.teardown(() => { socket.destroy() })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return createConnection(socket)
}

function createConnection (socket: Socket): RawConnection {
  let received = Buffer.alloc(0)
  const state = { isClosed: false }
  const waiting = new Set<() => void>()
  const wake = (): void => { for (const resume of waiting) resume() }
  socket.on('data', chunk => { received = Buffer.concat([received, chunk]); wake() })
  socket.on('error', () => {})
  for (const event of ['end', 'close']) socket.on(event, () => { state.isClosed = true; wake() })

  async function change (until: number): Promise<void> {
    const stop = new AbortController()
    let resume: () => void = () => {}
    const changed = new Promise<void>(resolve => { resume = resolve })
    waiting.add(resume)
    await Promise.race([changed, delay(Math.max(0, until - Date.now()), undefined, { signal: stop.signal }).catch(() => {})])
    stop.abort()
    waiting.delete(resume)
  }

  async function answer ({ head = false, deadlineMs = defaultDeadlineMs }: AnswerOptions = {}): Promise<RawAnswer | undefined> {
    const until = Date.now() + deadlineMs
    for (;;) {
      const isLast = state.isClosed || Date.now() >= until
      const parsed = parseAnswer(received, { head, isLast })
      if (parsed !== undefined) {
        received = received.subarray(parsed.length)
        return parsed.answer
      }
      if (isLast) return undefined
      await change(until)
    }
  }

  return {
    socket,
    send: bytes => { socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes) },
    answer,
    async isClosedWithin (ms) {
      const until = Date.now() + ms
      while (!state.isClosed && Date.now() < until) await change(until)
      return state.isClosed
    },
    rest: () => received
  }
}

interface Parsed {
  readonly answer: RawAnswer
  /** Bytes that it took. */
  readonly length: number
}

function parseAnswer (bytes: Buffer, { head, isLast }: { head: boolean, isLast: boolean }): Parsed | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [line = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const start = /^HTTP\/(\d\.\d) (\d{3})/.exec(line)
  if (start === null) throw new Error(`not a status line: ${line}`)
  const fields = lines.map(text => {
    const colon = text.indexOf(':')
    return [text.slice(0, colon), text.slice(colon + 1).trim()] as const
  })
  const status = Number(start[2])
  const framed = readBody(bytes.subarray(end + 4), fields, head || status < 200 || status === 204 || status === 304)
  if (framed === undefined && !isLast) return undefined
  const rest = bytes.subarray(end + 4)
  const { body, length, isComplete } = framed ?? { body: rest, length: rest.length, isComplete: false }
  return { answer: describe({ version: start[1]!, status, fields, body, isComplete }), length: end + 4 + length }
}

interface Body {
  readonly body: Buffer
  readonly length: number
  readonly isComplete: boolean
}

/** @returns undefined while more is to come; a body that only the end of the connection ends is never complete */
function readBody (bytes: Buffer, fields: RawAnswer['fields'], isBodiless: boolean): Body | undefined {
  if (isBodiless) return { body: Buffer.alloc(0), length: 0, isComplete: true }
  const value = (name: string): string | undefined => fields.find(([one]) => one.toLowerCase() === name)?.[1]
  if (value('transfer-encoding') !== undefined) return readChunks(bytes)
  const declared = value('content-length')
  if (declared === undefined || bytes.length < Number(declared)) return undefined
  return { body: bytes.subarray(0, Number(declared)), length: Number(declared), isComplete: true }
}

function readChunks (bytes: Buffer): Body | undefined {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    at = lineEnd + 2
    if (size === 0) {
      const over = bytes.indexOf('\r\n', at)
      return over < 0 ? undefined : { body: Buffer.concat(chunks), length: over + 2, isComplete: true }
    }
    if (bytes.length < at + size + 2) return undefined
    chunks.push(bytes.subarray(at, at + size))
    at += size + 2
  }
}

function describe (parts: Pick<RawAnswer, 'version' | 'status' | 'fields' | 'body' | 'isComplete'>): RawAnswer {
  function all (name: string): string[] {
    return parts.fields.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  }
  return {
    ...parts,
    all,
    header (name) {
      const values = all(name)
      if (values.length > 1) throw new Error(`${values.length} fields ${name}`)
      return values[0]
    },
    text: () => parts.body.toString('utf8'),
    json: () => JSON.parse(parts.body.toString('utf8'))
  }
}

export interface RawRequest {
  readonly method?: string
  readonly target?: string
  /** Default `localhost`; null sends none. */
  readonly host?: string | null
  /** Names and values in turn, after Host. */
  readonly fields?: readonly (readonly [name: string, value: string])[]
  readonly cookie?: string
  readonly body?: string
}

/** The bytes of a request, in Latin-1. Nothing is added but Host, Cookie and the length of a body. */
export function rawRequest ({ method = 'GET', target = '/', host = 'localhost', fields = [], cookie, body }: RawRequest = {}): string {
  const lines = [`${method} ${target} HTTP/1.1`]
  if (host !== null) lines.push(`Host: ${host}`)
  if (cookie !== undefined) lines.push(`Cookie: ${cookie}`)
  for (const [name, value] of fields) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body, 'latin1')}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** One request on a connection of its own. Throws when no answer comes before the deadline. */
export async function exchange (
  t: Test, port: number, request: RawRequest | string, options: AnswerOptions = {}
): Promise<RawAnswer> {
  const connection = await connectRaw(t, port)
  connection.send(typeof request === 'string' ? request : rawRequest(request))
  const head = typeof request !== 'string' && request.method === 'HEAD'
  const answer = await connection.answer({ head, ...options })
  connection.socket.destroy()
  if (answer === undefined) throw new Error('no answer')
  return answer
}
