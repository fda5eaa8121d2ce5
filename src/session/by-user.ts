/**
 * This file keeps indexes of sessions: those of an account, so that its tokens go with its last session and a user can end
 * all of them; those of a session at the provider (`sid`), so that its sign-out ends them without a cookie; and which
 * account the provider means by a subject.
 */
import { createHash } from 'node:crypto'
import type { KeyRing } from '../store/key-ring.ts'
import type { Store } from '../store/store.ts'
import type { Account, Session, User } from './session.ts'

/** All operations throw `SG_STORE_UNAVAILABLE`. */
export interface SessionsByUser {
  add (session: Session, sessionKey: string, ttlMs: number): Promise<void>
  /** @returns whether this was the account's last live session */
  remove (account: Account, sessionKey: string): Promise<boolean>
  /** Every session of the user, under whichever key of the ring it began. */
  ofUser (user: User): Promise<readonly string[]>
  /** Every session that began with this session at the provider: several sign-ins of a browser share one. */
  ofSid (sid: string): Promise<readonly string[]>
  /** Every session of the user whom an issuer calls so. */
  ofSubject (iss: string, sub: string): Promise<readonly string[]>
}

export function createSessionsByUser (store: Store, keys: KeyRing): SessionsByUser {
  function indexOf ({ tid, oid }: User, keyId: string | undefined): string {
    return `u:${keys.nameUnder(keyId, 'account-key', `sessions|${tid}|${oid}`)}`
  }

  /** Its members are the names of the account's indexes: one, however often the user signs in. */
  function subjectIndexOf (iss: string, sub: string, keyId: string | undefined): string {
    return `sub:${keys.nameUnder(keyId, 'account-key', `subject|${iss}|${sub}`)}`
  }

  async function membersOfAll (indexes: readonly string[]): Promise<readonly string[]> {
    const found = await Promise.all(indexes.map(async index => await store.members(index)))
    return [...new Set(found.flat())]
  }

  return {
    async add ({ account, claims: { sid, iss, sub } }, sessionKey, ttlMs) {
      const index = indexOf(account, account.keyId)
      await store.addMember(index, sessionKey, ttlMs)
      if (typeof sid === 'string') await store.addMember(sidIndex(sid), sessionKey, ttlMs)
      if (typeof iss === 'string' && typeof sub === 'string') await store.addMember(subjectIndexOf(iss, sub, account.keyId), index, ttlMs)
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
    ofUser: async user => await membersOfAll(keys.ids.map(id => indexOf(user, id))),
    ofSid: async sid => await store.members(sidIndex(sid)),
    ofSubject: async (iss, sub) => await membersOfAll(await membersOfAll(keys.ids.map(id => subjectIndexOf(iss, sub, id))))
  }
}

/** A hash without a key: whoever asks brings no key id. A `sid` is random and says nothing about anybody. */
function sidIndex (sid: string): string {
  return `sid:${createHash('sha256').update(sid).digest('base64url')}`
}
