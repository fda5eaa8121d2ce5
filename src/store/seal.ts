/**
 * This file seals what the gateway hands to a browser and wants back unread and unchanged: pending sign-ins, and what the
 * next sign-in is for.
 *
 * JWE compact, `dir` + `A256GCM`. The algorithms are fixed here and never taken from the header of what is opened. Every
 * failure to open is the same `undefined`.
 */
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'
import type { KeyRing, Purpose } from './key-ring.ts'

export interface Sealer {
  /** @param ttlMs - after this many milliseconds it does not open any more */
  seal (purpose: Purpose, value: object, ttlMs: number): Promise<string>
  /** What was sealed for the same purpose by a key that the ring still lists, or undefined. */
  open (purpose: Purpose, sealed: string): Promise<Opened | undefined>
}

export interface Opened {
  readonly value: unknown
  /** Whether its time is over: some callers owe the user another word then. */
  readonly isExpired: boolean
}

/** Larger than anything sealed here, small enough that opening rubbish costs nothing. */
const maxSealedLength = 8192

export function createSealer (keys: KeyRing, now: () => number): Sealer {
  async function seal (purpose: Purpose, value: object, ttlMs: number): Promise<string> {
    const text = JSON.stringify({ value, endsAt: now() + ttlMs })
    return await new CompactEncrypt(Buffer.from(text))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: keys.sealingId, typ: purpose })
      .encrypt(keys.keyFor(purpose, keys.sealingId)!)
  }

  async function open (purpose: Purpose, sealed: string): Promise<Opened | undefined> {
    if (sealed.length > maxSealedLength) return undefined
    try {
      const { kid } = decodeProtectedHeader(sealed)
      const key = typeof kid === 'string' ? keys.keyFor(purpose, kid) : undefined
      if (key === undefined) return undefined
      const { plaintext } = await compactDecrypt(sealed, key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM']
      })
      const { value, endsAt } = JSON.parse(Buffer.from(plaintext).toString())
      return { value, isExpired: !(now() < endsAt) }
    } catch {
      return undefined
    }
  }

  return { seal, open }
}
