/** This file says who may hold tokens: a session, an API client, or the gateway itself. */
import type { Account, IdClaims } from './provider.ts'

/** Whoever may hold ready tokens. Their keys are of different forms: no kind finds another's tokens. */
export type TokenHolder = SessionHolder | ApiCaller | AppHolder

/** A live session. */
export interface SessionHolder {
  readonly kind: 'session'
  /** Session key, '.', generation: another one after each sign-in, so that nobody inherits tokens. */
  readonly key: string
  readonly account: Account
  /** Epoch milliseconds at which the session ends whatever happens. */
  readonly absoluteEndsAt: number
}

/** An API client, known by the bearer token that it sent. Never becomes a session. */
export interface ApiCaller {
  readonly kind: 'caller'
  /** An HMAC of its token: names what was got for it, and tells nobody what it is. */
  readonly key: string
  /** The user, or the service principal of an app that calls in its own name. */
  readonly account: Pick<Account, 'tid' | 'oid'>
  readonly claims: IdClaims
  /** The app that got the token, by its client id. */
  readonly client: string
  /** Whether no user is behind it. */
  readonly isApp: boolean
  /** Written by the log, once. */
  nameInLog?: string | undefined
  /** What it sent: secret. */
  readonly token: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** A bearer token that says nothing about anybody. */
export interface RefusedToken {
  readonly kind: 'refused'
  /** For the log. */
  readonly why: string
}

/** The gateway itself, whose tokens have no user in them and are the same for everybody. */
export interface AppHolder {
  readonly kind: 'app'
  readonly key: 'app'
}

/** What is left of a session that has ended, or is about to. */
export type FormerHolder = Pick<SessionHolder, 'key' | 'account'>

export const theApp: AppHolder = { kind: 'app', key: 'app' }
