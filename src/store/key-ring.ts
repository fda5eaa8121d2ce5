/**
 * This file holds the key ring: the first key seals and names, every key opens. Each purpose gets a key of its own, so
 * that nothing made for one purpose passes for another.
 */
import { createHmac, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'

/** What a derived key may be used for; one key, one use. */
export type Purpose = 'session-cookie' | 'session-key' | 'session-record' | 'account-key' | 'account-record' | 'account-claims' | 'api-token' | 'transaction' | 'sign-in-need' | 'sign-in-rounds' | 'name-in-log'

/** A key as configured: an id that travels with what it sealed, and at least 32 random bytes. */
export interface RingKey {
  readonly id: string
  readonly secret: Uint8Array
}

export interface KeyRing {
  /** The ids of all keys, the sealing one first. */
  readonly ids: readonly string[]
  /** The id of the key that seals. */
  readonly sealingId: string
  /** The derived 256-bit key of a ring key, or undefined when the ring has no such key. */
  keyFor (purpose: Purpose, id: string): KeyObject | undefined
  /** HMAC-SHA256 under the sealing key, base64url. Names records in the store without telling what they are. */
  mac (purpose: Purpose, text: string): string
  /** The same under a certain key, for names that must outlive a rotation. @returns undefined when the ring lacks it */
  macUnder (id: string, purpose: Purpose, text: string): string | undefined
  /** The same for a name that must be something in any case: under the sealing key when `id` is absent or not listed. */
  nameUnder (id: string | undefined, purpose: Purpose, text: string): string
}

/**
 * @param deployment - the HKDF salt: what one deployment sealed does not open in another, even with the same key
 * @see RFC 5869
 */
export function createKeyRing (keys: readonly RingKey[], deployment: string): KeyRing {
  const [first] = keys
  if (first === undefined) throw new TypeError('a key ring needs at least one key')
  const ring = new Map(keys.map(({ id, secret }) => [id, secret]))
  const derived = new Map<string, KeyObject>()

  function keyFor (purpose: Purpose, id: string): KeyObject | undefined {
    const name = `${purpose} ${id}`
    const known = derived.get(name)
    if (known !== undefined) return known
    const secret = ring.get(id)
    if (secret === undefined) return undefined
    // A KeyObject made once: handing raw buffers to HMAC costs 10 us more per call on Node 24.
    const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret, deployment, purpose, 32)))
    derived.set(name, key)
    return key
  }

  function macUnder (id: string, purpose: Purpose, text: string): string | undefined {
    const key = keyFor(purpose, id)
    return key && createHmac('sha256', key).update(text).digest('base64url')
  }

  const mac = (purpose: Purpose, text: string): string => macUnder(first.id, purpose, text)!
  return {
    ids: [...ring.keys()],
    sealingId: first.id,
    keyFor,
    macUnder,
    mac,
    nameUnder: (id = first.id, purpose, text) => macUnder(id, purpose, text) ?? mac(purpose, text)
  }
}

/** A key for one process's life: enough for the memory store, whose records do not outlive the process either. */
export function generateKey (): RingKey {
  return { id: 'generated', secret: randomBytes(32) }
}
