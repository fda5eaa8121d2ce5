/**
 * This file keeps two indexes of sessions: those of an account, so that its tokens go with its last session and a user can
 * end all of them, and those of a session at the provider (`sid`), so that its sign-out ends them without a cookie.
 */
import { createHash } from 'node:crypto'
import type { KeyRing } from '../store/key-ring.ts'
import type { Store } from '../store/store.ts'
import type { Account, Session } from './session.ts'

/** All operations throw `SG_STORE_UNAVAILABLE`. */
export interface SessionsByUser {
  add (session: Session, sessionKey: string, ttlMs: number): Promise<void>
  /** @returns whether this was the account's last live session */
  remove (account: Account, sessionKey: string): Promise<boolean>
  /** Every session of the user, under whichever key of the ring it began. */
  ofUser (account: Account): Promise<readonly string[]>
  /** Every session that began with this session at the provider: several sign-ins of a browser share one. */
  ofSid (sid: string): Promise<readonly string[]>
}

export function createSessionsByUser (store: Store, keys: KeyRing): SessionsByUser {
  function indexOf ({ tid, oid }: Account, keyId: string | undefined): string {
    return `u:${keys.nameUnder(keyId, 'account-key', `sessions|${tid}|${oid}`)}`
  }

  return {
    async add ({ account, claims: { sid } }, sessionKey, ttlMs) {
      await store.addMember(indexOf(account, account.keyId), sessionKey, ttlMs)
      if (typeof sid === 'string') await store.addMember(sidIndex(sid), sessionKey, ttlMs)
    },
    async remove (account, sessionKey) {
      const index = indexOf(account, account.keyId)
      await store.removeMember(index, sessionKey)
      for (const other of await store.members(index)) {
        if (await store.get(other) !== undefined) return false
        await store.removeMember(index, other)
      }
      return true
    },
    async ofUser (account) {
      const indexes = await Promise.all(keys.ids.map(async id => await store.members(indexOf(account, id))))
      return [...new Set(indexes.flat())]
    },
    ofSid: async sid => await store.members(sidIndex(sid))
  }
}

/** A hash without a key: whoever asks brings no key id. A `sid` is random and says nothing about anybody. */
function sidIndex (sid: string): string {
  return `sid:${createHash('sha256').update(sid).digest('base64url')}`
}
