/** This file turns the whole state into JSON and back; a snapshot holds private keys and passwords. */
import type { KeptKey } from '../keys/signing-keys.ts'
import type { State } from '../state.ts'
import type { World } from '../world.ts'

export interface Snapshot {
  readonly version: 1
  /** Epoch milliseconds of the emulator's clock. */
  readonly now: number
  readonly keys: readonly KeptKey[]
  /** Maps are written as `{ "map": [[key, value], ...] }`. */
  readonly state: unknown
}

export function createSnapshot ({ state, keys, clock }: World): Snapshot {
  return { version: 1, now: clock.now(), keys: keys.keep(), state: JSON.parse(JSON.stringify(state, mapToJson)) }
}

export function restoreSnapshot (snapshot: Snapshot, world: World): void {
  if (snapshot.version !== 1) throw new TypeError('not a snapshot of version 1')
  world.state = JSON.parse(JSON.stringify(snapshot.state), jsonToMap) as State
  world.keys.restore(snapshot.keys)
  world.clock.set(snapshot.now)
}

function mapToJson (_name: string, value: unknown): unknown {
  return value instanceof Map ? { map: [...value] } : value
}

function jsonToMap (_name: string, value: unknown): unknown {
  const isMap = typeof value === 'object' && value !== null && 'map' in value && Array.isArray(value.map)
  return isMap ? new Map(value.map as [string, unknown][]) : value
}
