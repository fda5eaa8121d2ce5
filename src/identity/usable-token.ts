/** This file makes a ready token of what MSAL brought, if it can be used at all. */
import type { AuthenticationResult } from '@azure/msal-node'
import { parseScope } from '../config/scopes.ts'
import { lifetimeOf } from './lifetime.ts'
import type { ReadyToken } from './provider.ts'
import { StsError } from './sts-error.ts'

/** Epoch milliseconds, and a number from 0 to 1 for jitter. */
interface Moment {
  readonly now: number
  readonly random: number
}

/**
 * @param source - what is remembered of where the token came from: the life of one that was cached began before
 * @returns undefined when the token is as good as expired
 */
export function usableToken (
  result: AuthenticationResult, source: ReadyToken['source'], { now, random }: Moment
): ReadyToken | undefined {
  // The provider gives a life in seconds, which MSAL adds to the system's clock. A new token's life begins by ours.
  const shift = source === 'refresh' ? now - Date.now() : 0
  const expiresAt = (result.expiresOn?.getTime() ?? 0) + shift
  const refreshAt = result.refreshOn === undefined ? undefined : result.refreshOn.getTime() + shift
  const lifetime = lifetimeOf({ expiresAt, refreshAt }, now, random)
  return lifetime.hardAt > now ? { kind: 'token', bearer: `Bearer ${result.accessToken}`, ...lifetime, source } : undefined
}

/** Entra answers with all scopes that were consented to, in the form they were asked for. */
export function hasScopes ({ scopes }: Pick<AuthenticationResult, 'scopes'>, wanted: readonly string[]): boolean {
  const given = new Set(scopes.map(scope => parseScope(scope).key))
  return wanted.every(scope => given.has(parseScope(scope).key))
}

/** The error of an answer that is not to be believed. */
export function untrusted (reason: string, cause?: unknown): StsError {
  return new StsError('sts_bad_response', { cause: new TypeError(reason, { cause }) })
}
