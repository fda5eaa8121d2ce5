/**
 * This file seals records at rest: whoever reads the store sees no user and no token, and whoever writes to it can neither
 * make a record, nor move one to another name, nor bring an older one back under a newer version.
 *
 * AES-256-GCM, one key per purpose, AAD = what the record is for, its key and its version. Do not leave `authTagLength`
 * out: node:crypto then accepts a tag of 4 bytes (security.md, X23).
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { KeyRing, Purpose } from './key-ring.ts'

export interface RecordSealer {
  /** @param context - the record's key, and its version if it has one */
  seal (purpose: Purpose, context: string, text: string): string
  /** The text that was sealed for this purpose and context by a key that the ring lists; undefined for anything else. */
  open (purpose: Purpose, context: string, sealed: string): string | undefined
  /**
   * Whether another replica may open what does not open here: it is of a later form, or under a key that the ring lacks. In
   * a rotation or an update replicas are a step apart. Everything else that does not open is broken, moved or forged.
   */
  isForeign (sealed: string): boolean
}

const algorithm = 'aes-256-gcm'
const ivBytes = 12
const authTagLength = 16
/** Before the key id: a later form can be told apart. */
const form = '1'
const laterForm = /^(?:[2-9]|[1-9][0-9]{1,3})\./
const formAndKey = /^1\.([A-Za-z0-9_-]{1,32})\./

/**
 * Tells two writings of a record apart without opening them: 48 of the random bits that each is sealed with; 0 where there
 * is no record, {@link notSeen} for what was never sealed. Somebody who can write to the store can give a record the stamp
 * of another one, and gains no more than by leaving the other one there.
 */
export function stampOf (sealed: string | undefined): number {
  if (sealed === undefined) return 0
  const start = sealed.indexOf('.', form.length + 1) + 1
  const bits = Buffer.from(sealed.slice(start, start + 8), 'base64url')
  return bits.length === 6 ? bits.readUIntBE(0, 6) : notSeen
}

/** The stamp of a record that one has not seen: like no other, itself included. */
export const notSeen = NaN

export function createRecordSealer (keys: KeyRing): RecordSealer {
  function seal (purpose: Purpose, context: string, text: string): string {
    const iv = randomBytes(ivBytes)
    const cipher = createCipheriv(algorithm, keys.keyFor(purpose, keys.sealingId)!, iv, { authTagLength })
    cipher.setAAD(Buffer.from(context))
    const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${form}.${keys.sealingId}.${sealed.toString('base64url')}`
  }

  function open (purpose: Purpose, context: string, sealed: string): string | undefined {
    const [version, id, content, ...rest] = sealed.split('.')
    if (version !== form || id === undefined || content === undefined || rest.length > 0) return undefined
    const key = keys.keyFor(purpose, id)
    const bytes = Buffer.from(content, 'base64url')
    if (key === undefined || bytes.length < ivBytes + authTagLength) return undefined
    try {
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivBytes), { authTagLength })
      decipher.setAAD(Buffer.from(context))
      decipher.setAuthTag(bytes.subarray(-authTagLength))
      return decipher.update(bytes.subarray(ivBytes, -authTagLength), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }

  function isForeign (sealed: string): boolean {
    const id = formAndKey.exec(sealed)?.[1]
    return laterForm.test(sealed) || (id !== undefined && !keys.ids.includes(id))
  }

  return { seal, open, isForeign }
}
