/** This file is `scopegate keygen`: a new entry for the key ring. */
import { randomBytes } from 'node:crypto'
import type { Output } from './check.ts'

/** As many as the keys that are derived from it have (store/key-ring.ts). */
const keyBytes = 32

/**
 * Prints one line of YAML, as it goes into the list under `keys`. The id is the day: of two keys made on one day, one needs
 * another id.
 *
 * @param now - epoch milliseconds
 * @returns the exit code, always 0
 */
export function keygen ({ out, now }: { readonly out: Output, readonly now: number }): number {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll('-', '')
  out.write(`- { id: k${day}, key: "${randomBytes(keyBytes).toString('base64')}" }\n`)
  return 0
}
