/** This file names users in the log, so that lines about one user can be told to be that without telling who it is. */
import type { KeyRing } from '../store/key-ring.ts'
import type { User } from './session.ts'

export type NameInLog = (user: User) => string

/** 96 bits: no two users of a directory share a name. */
const length = 16

/**
 * An HMAC under the ring's first key: without it nobody finds out a user by trying all of a directory, and with another
 * first key users get other names.
 */
export function createNameInLog (keys: KeyRing): NameInLog {
  return ({ tid, oid }) => keys.mac('name-in-log', `${tid}|${oid}`).slice(0, length)
}

/** The same for somebody who makes many requests: computed once. */
export function rememberName (
  nameInLog: NameInLog, user: { readonly account: User, nameInLog?: string | undefined } | undefined
): string | undefined {
  return user && (user.nameInLog ??= nameInLog(user.account))
}
