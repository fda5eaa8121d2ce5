/** This file makes the versions of records in stores that several replicas write to. */
import { randomInt } from 'node:crypto'
import type { VersionedValue } from './store.ts'

/** Random, so that no version comes back after a deletion, whichever replica writes. A safe integer, never 0. */
export function newVersion (): number {
  return randomInt(1, 2 ** 48 - 1)
}

export function textOf (value: VersionedValue, version: number): string {
  return typeof value === 'function' ? value(version) : value
}
