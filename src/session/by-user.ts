/**
 * This file keeps the index of an account's sessions, so that the account's tokens go when its last session goes.
 */
import type { KeyRing } from '../store/key-ring.ts'
import type { Store } from '../store/store.ts'
import type { Account } from './session.ts'

export interface SessionsByUser {
  add (account: Account, sessionKey: string, ttlMs: number): Promise<void>
  /** @returns whether this was the account's last live session */
  remove (account: Account, sessionKey: string): Promise<boolean>
}

export function createSessionsByUser (store: Store, keys: KeyRing): SessionsByUser {
  function indexOf (account: Account): string {
    return `u:${keys.nameUnder(account.keyId, 'account-key', `sessions|${account.tid}|${account.oid}`)}`
  }

  return {
    add: (account, sessionKey, ttlMs) => store.addMember(indexOf(account), sessionKey, ttlMs),
    async remove (account, sessionKey) {
      const index = indexOf(account)
      await store.removeMember(index, sessionKey)
      for (const other of await store.members(index)) {
        if (await store.get(other) !== undefined) return false
        await store.removeMember(index, other)
      }
      return true
    }
  }
}
