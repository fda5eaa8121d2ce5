/**
 * This file keeps the tokens that can be injected at once, per live session and scope set, bounded in bytes.
 *
 * In the steady state a request costs one Map look-up and one array read here.
 */
import { heapShare } from '../store/heap.ts'
import { createBoundedMap } from './bounded.ts'
import type { ReadyToken } from './provider.ts'

/** A ready token and when to renew it. */
export interface ReadyEntry {
  readonly token: ReadyToken
  /** Epoch milliseconds: in use from then on. */
  readonly since: number
  /** Epoch milliseconds; not reached while a renewal is under way. */
  renewAt: number
}

export interface ReadyTokens {
  /** @returns the entry if it may still be used at `now` */
  find (holderKey: string, scopeSet: number, now: number): ReadyEntry | undefined
  /** @returns false when the holder was dropped: a token that was under way meanwhile comes too late */
  put (holder: { readonly key: string, readonly accountKey: string }, scopeSet: number, token: ReadyToken): boolean
  /** Ends the holder's tokens for good. */
  drop (holderKey: string): void
  isDropped (holderKey: string): boolean
  /** Ends the tokens of all holders of the account. */
  dropAccount (accountKey: string): void
  bytes (): number
}

export interface ReadyTokensOptions {
  /** Default: a sixth of the heap. */
  readonly maxBytes?: number
}

interface Row {
  readonly accountKey: string
  readonly entries: (ReadyEntry | undefined)[]
  bytes: number
  isUsed: boolean
}

/** Objects, Map entry and key around a row and a token, measured roughly on Node 20. */
const rowBytes = 400
const entryBytes = 300
/** Clocks are corrected by milliseconds all the time; more than this is a step. */
const stepMs = 1_000
/** Far more than sign out while a call to the provider is under way. */
const maxRemembered = 10_000

export function createReadyTokens (options: ReadyTokensOptions = {}): ReadyTokens {
  const rows = createRows(options)
  const dropped = createBoundedMap<true>(maxRemembered)
  let latest = 0

  function drop (holderKey: string): void {
    rows.detach(holderKey)
    dropped.set(holderKey, true)
  }

  return {
    find (holderKey, scopeSet, now) {
      // After a step back of the clock every lifetime is wrong by an unknown amount: all tokens are obtained anew.
      if (now < latest - stepMs) rows.clear()
      if (now > latest || now < latest - stepMs) latest = now
      const row = rows.get(holderKey)
      if (row === undefined) return undefined
      row.isUsed = true
      const entry = row.entries[scopeSet]
      return entry !== undefined && now < entry.token.hardAt ? entry : undefined
    },
    put ({ key, accountKey }, scopeSet, token) {
      if (dropped.get(key)) return false
      const row = rows.detach(key) ?? { accountKey, entries: [], bytes: rowBytes + key.length, isUsed: false }
      row.bytes += sizeOf(token) - sizeOf(row.entries[scopeSet]?.token)
      row.entries[scopeSet] = { token, since: latest, renewAt: token.softAt }
      rows.attach(key, row)
      return true
    },
    drop,
    isDropped: holderKey => dropped.get(holderKey) === true,
    dropAccount (accountKey) {
      for (const [holderKey, row] of rows) if (row.accountKey === accountKey) drop(holderKey)
    },
    bytes: rows.bytes
  }
}

/** A Map of rows that knows its bytes, and lets unused ones go when there are too many. */
function createRows ({ maxBytes = heapShare(1 / 6) }: ReadyTokensOptions) {
  const rows = new Map<string, Row>()
  let bytes = 0

  function attach (holderKey: string, row: Row): void {
    rows.set(holderKey, row)
    bytes += row.bytes
  }

  function detach (holderKey: string): Row | undefined {
    const row = rows.get(holderKey)
    if (row === undefined) return undefined
    rows.delete(holderKey)
    bytes -= row.bytes
    return row
  }

  /** Second chance: a row used since it was last looked at goes to the end once, instead of moving at every use. */
  function evict (): void {
    for (const [holderKey, row] of rows) {
      if (bytes <= maxBytes) return
      detach(holderKey)
      if (row.isUsed) attach(holderKey, row)
      row.isUsed = false
    }
  }

  return {
    get: (holderKey: string) => rows.get(holderKey),
    attach (holderKey: string, row: Row): void {
      attach(holderKey, row)
      evict()
    },
    detach,
    clear (): void {
      rows.clear()
      bytes = 0
    },
    bytes: () => bytes,
    [Symbol.iterator]: () => rows.entries()
  }
}

/** One byte a character: tokens are ASCII. */
function sizeOf (token: ReadyToken | undefined): number {
  return token === undefined ? 0 : entryBytes + token.bearer.length
}
