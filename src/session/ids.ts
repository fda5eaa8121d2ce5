/**
 * This file makes session ids, signs them into cookies, and names their records. An id carries the id of the key it was
 * made under, so that a rotated key ring finds old sessions for as long as it lists their key.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from '../store/key-ring.ts'

export interface SessionIds {
  /** A new id of 256 random bits (ASVS 5.0, 7.2.3). Secret: whoever has it signed is the user. */
  generate (): string
  /** The cookie value of an id. */
  sign (id: string): string
  /** The id in a cookie value, or undefined when we did not sign it; costs no store call. */
  unsign (value: string): string | undefined
  /** The name of the id's record in the store: an HMAC, so that reading the store does not give away ids. */
  recordKey (id: string): string
}

/** key id, 43 characters of randomness, 43 of signature. */
const form = /^([A-Za-z0-9_-]{1,32})\.[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}$/

/** Whether a text could be what {@link SessionIds.recordKey} made: records of other kinds have other names. */
export function isRecordKey (text: string): boolean {
  return /^s:[A-Za-z0-9_-]{43}$/.test(text)
}

export function createSessionIds (keys: KeyRing): SessionIds {
  function signature (id: string): string | undefined {
    return keys.macUnder(id.slice(0, id.indexOf('.')), 'session-cookie', id)
  }

  return {
    generate: () => `${keys.sealingId}.${randomBytes(32).toString('base64url')}`,
    sign: id => `${id}.${signature(id)}`,
    unsign (value) {
      if (!form.test(value)) return undefined
      const id = value.slice(0, value.lastIndexOf('.'))
      const expected = signature(id)
      if (expected === undefined) return undefined
      return timingSafeEqual(Buffer.from(expected), Buffer.from(value.slice(id.length + 1))) ? id : undefined
    },
    recordKey (id) {
      return `s:${keys.macUnder(id.slice(0, id.indexOf('.')), 'session-key', id)}`
    }
  }
}
