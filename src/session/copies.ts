/** This file keeps this process's copies of sessions by their cookies' raw values, bounded in bytes; the oldest gives way. */
import { heapShare } from '../store/heap.ts'
import type { LiveSession } from './reader.ts'

export interface Copies {
  get (value: string): LiveSession | undefined
  /** Also makes the copy the newest. */
  keep (value: string, live: LiveSession): void
  /** Makes a copy that is kept the newest again. */
  use (live: LiveSession): void
  /** @param key - the name of the session's record */
  drop (key: string): void
  clear (): void
  bytes (): number
}

interface Kept {
  readonly value: string
  readonly bytes: number
}

/** Maps, objects and numbers around a session's texts, measured on Node 20. */
const aroundBytes = 1200

export function createCopies (maxBytes = heapShare(1 / 8)): Copies {
  const copies = new Map<string, LiveSession>()
  const kept = new Map<string, Kept>()
  let bytes = 0

  function drop (key: string): void {
    const one = kept.get(key)
    if (one === undefined) return
    kept.delete(key)
    copies.delete(one.value)
    bytes -= one.bytes
  }

  return {
    get: value => copies.get(value),
    keep (value, live) {
      drop(live.key)
      const own = { value: detached(value), bytes: aroundBytes + JSON.stringify(live.session).length }
      copies.set(own.value, live)
      kept.set(live.key, own)
      bytes += own.bytes
      for (const key of kept.keys()) {
        if (bytes <= maxBytes || key === live.key) break
        drop(key)
      }
    },
    use (live) {
      const own = kept.get(live.key)
      if (own === undefined || copies.get(own.value) !== live) return
      kept.delete(live.key)
      kept.set(live.key, own)
    },
    drop,
    clear () {
      copies.clear()
      kept.clear()
      bytes = 0
    },
    bytes: () => bytes
  }
}

/** A part of a Cookie field would keep the whole of it in memory. */
function detached (text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
