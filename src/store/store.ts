/**
 * This file says what the rest of the gateway may ask of a store: records with a lifetime, and the few atomic
 * operations that sign-in, token renewal and sign-out rest on.
 *
 * Every store keeps the same contract (`test/store/contract.ts`). A store that does not answer throws
 * `SG_STORE_UNAVAILABLE`; it never answers "none" instead.
 */

/** A record that is replaced only by someone who has seen its current version. */
export interface Versioned {
  /** Differs with every write of this key, also across its deletion: a late writer must not fit a record made anew. */
  readonly version: number
  readonly value: string
}

/** A lock that is held until it is released or its lease runs out, whichever is first. */
export interface Lease {
  /** Gives the lock back if it is still ours. Never throws: an unreleased lock ends with its lease. */
  release (): Promise<void>
}

/** A value, or what makes it out of the version that it will have: a sealed record is bound to its version. */
export type VersionedValue = string | ((version: number) => string)

/**
 * All lifetimes are milliseconds from now. All operations throw `SG_STORE_UNAVAILABLE` when the store fails; they may have
 * been carried out all the same.
 *
 * A key belongs to one family of operations: `get`, `set`, `update`; or `read`, `replace`, `compareAndSet`; or members.
 */
export interface Store {
  /** Whether the store answers, as far as is known now. */
  isReady (): boolean

  get (key: string): Promise<string | undefined>
  set (key: string, value: string, ttlMs: number): Promise<void>
  /** Writes only over a record that exists. @returns false when there is none: a destroyed record stays destroyed */
  update (key: string, value: string, ttlMs: number): Promise<boolean>
  /** @returns whether there was a record */
  delete (key: string): Promise<boolean>

  /** Takes a name once. @returns true for the first caller within the lifetime, false for everyone after */
  claim (key: string, ttlMs: number): Promise<boolean>

  read (key: string): Promise<Versioned | undefined>
  /** Writes whatever was there before. */
  replace (key: string, value: VersionedValue, ttlMs: number): Promise<void>
  /** Writes only if the record still has this version. @returns false when it has another one or is gone */
  compareAndSet (key: string, version: number, value: VersionedValue, ttlMs: number): Promise<boolean>

  /** Waits for a lock at most `waitMs`. @returns undefined when it stayed taken */
  lock (key: string, leaseMs: number, waitMs: number): Promise<Lease | undefined>

  /** Adds a member to an index set; the set lives at least `ttlMs` longer. */
  addMember (key: string, member: string, ttlMs: number): Promise<void>
  /** @returns how many members are left */
  removeMember (key: string, member: string): Promise<number>
  members (key: string): Promise<readonly string[]>

  /** Tells all replicas, this one too. Who is away at that moment never hears it. */
  publish (topic: string, message: string): Promise<void>
  /**
   * Hears what is published, from the first call of `onGap` on. It is called again whenever messages may have been lost.
   * Neither waits nor fails. @returns ends the subscription
   */
  subscribe (topic: string, listener: (message: string) => void, onGap: () => void): () => void

  /** Ends what the store runs in the background. */
  close (): Promise<void>
}
