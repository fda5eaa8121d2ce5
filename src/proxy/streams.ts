/**
 * This file knows the streams that are open: WebSockets, and answers of routes that stream. None outlives its session, or the
 * token of its API client, for long, and nobody has too many.
 */
import type { ApiCaller } from '../identity/holder.ts'
import type { LiveSession, SessionReader } from '../session/reader.ts'
import { hasEnded } from '../session/session.ts'

/** Why a stream is asked to end: its session did, the process does, or another config takes over. */
export type EndOfStream = 'session-ended' | 'shutdown' | 'restart'

/** Whose stream it is. */
export type StreamHolder = LiveSession | ApiCaller

export interface OpenStream {
  readonly kind: 'websocket' | 'answer'
  /** Undefined for nobody in particular, on routes that allow for that. */
  readonly holder: StreamHolder | undefined
  /** The Cookie field that the session was found by. */
  readonly cookie: string | undefined
  end (why: EndOfStream): void
}

export interface Streams {
  /**
   * Counts a stream and watches its holder.
   * @returns takes it out again; undefined when a WebSocket may not be opened: its holder has enough, or none may
   */
  add (stream: OpenStream): (() => void) | undefined
  openWebSockets (): number
  /** Ends the streams of a session at once. */
  endSession (key: string): void
  /** Asks WebSockets to go, and opens no more. Answers go on: whoever drains gives them their time. */
  endWebSockets (why: 'shutdown' | 'restart'): void
  /** Ends everything. */
  close (): void
}

export interface StreamOptions {
  readonly reader: Pick<SessionReader, 'find'>
  readonly now: () => number
  /** Milliseconds between two looks at every session; default 10 s. */
  readonly checkMs?: number
}

const maxWebSockets = 20
/** With the 30 s that a copy of a session is believed, well within the minute that a stream may outlive it. */
const defaultCheckMs = 10_000

/** The streams of one session or token, and what was known of it last. */
interface Watched {
  holder: StreamHolder
  readonly cookie: string | undefined
  readonly streams: Set<OpenStream>
}

export function createStreams ({ reader, now, checkMs = defaultCheckMs }: StreamOptions): Streams {
  const held = new Map<string, Watched>()
  const anonymous = new Set<OpenStream>()
  let isClosing = false
  let isChecking = false

  function add (stream: OpenStream): (() => void) | undefined {
    if (isClosing && stream.kind === 'websocket') return undefined
    const { holder, cookie } = stream
    if (holder === undefined) {
      anonymous.add(stream)
      return () => { anonymous.delete(stream) }
    }
    const watched = held.get(holder.key) ?? { holder, cookie, streams: new Set() }
    if (stream.kind === 'websocket' && webSocketsOf(watched) >= maxWebSockets) return undefined
    held.set(holder.key, watched)
    watched.streams.add(stream)
    return () => {
      watched.streams.delete(stream)
      if (watched.streams.size === 0 && held.get(holder.key) === watched) held.delete(holder.key)
    }
  }

  function endSession (key: string): void {
    for (const stream of [...held.get(key)?.streams ?? []]) stream.end('session-ended')
  }

  /** One after the other: thousands of streams must not become thousands of questions at once. */
  async function check (): Promise<void> {
    if (isChecking) return
    isChecking = true
    for (const [key, watched] of [...held]) if (await isEnded(watched)) endSession(key)
    isChecking = false
  }

  async function isEnded (watched: Watched): Promise<boolean> {
    const { holder, cookie } = watched
    if (holder.kind === 'caller') return now() >= holder.expiresAt
    try {
      const live = await reader.find(cookie)
      if (live !== undefined) watched.holder = live
      return live === undefined
    } catch {
      // The store does not answer, so nobody knows better than we did: until then the stream goes on, and no longer.
      return hasEnded(holder.session, now())
    }
  }

  const checks = setInterval(check, checkMs)
  checks.unref()

  function all (): OpenStream[] {
    return [...anonymous, ...[...held.values()].flatMap(({ streams }) => [...streams])]
  }

  return {
    add,
    openWebSockets: () => all().filter(({ kind }) => kind === 'websocket').length,
    endSession,
    endWebSockets (why) {
      isClosing = true
      for (const stream of all()) if (stream.kind === 'websocket') stream.end(why)
    },
    close () {
      isClosing = true
      clearInterval(checks)
      for (const stream of all()) stream.end('shutdown')
    }
  }
}

function webSocketsOf ({ streams }: Watched): number {
  let count = 0
  for (const { kind } of streams) if (kind === 'websocket') count++
  return count
}
