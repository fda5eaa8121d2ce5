/** This file remembers which bearer tokens were verified lately, so that a client's every request does not cost a signature. */
import type { KeyRing } from '../store/key-ring.ts'
import type { VerifiedToken } from './api-token.ts'
import { createBoundedMap } from './bounded.ts'
import { createFlights } from './flights.ts'
import type { ApiCaller, RefusedToken } from './holder.ts'
import type { IdentityProvider } from './provider.ts'

export interface CallersOptions {
  /** Verifies a token. @throws SG_PROVIDER_UNAVAILABLE */
  readonly verify: (token: string) => Promise<VerifiedToken | RefusedToken>
  readonly keys: KeyRing
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Told of each token that was found good, and not for each request that has it. */
  readonly onVerified: (caller: ApiCaller) => void
}

interface Known {
  readonly caller: ApiCaller
  /** Epoch milliseconds. */
  readonly verifiedAt: number
}

/** Within this time a key that the provider has taken back still counts. */
const maxAgeMs = 300_000
const maxCallers = 5_000

/** @see IdentityProvider.identify */
export function createCallers ({ verify, keys, now, onVerified }: CallersOptions): IdentityProvider['identify'] {
  const known = createBoundedMap<Known>(maxCallers)
  const flights = createFlights<ApiCaller | RefusedToken>()

  async function find (key: string, token: string): Promise<ApiCaller | RefusedToken> {
    const verified = await verify(token)
    if (verified.kind === 'refused') return verified
    const { claims, client, isApp, expiresAt } = verified
    const account = { tid: claims.tid, oid: claims.oid }
    const caller: ApiCaller = { kind: 'caller', key, account, claims, client, isApp, token, expiresAt }
    known.set(key, { caller, verifiedAt: now() })
    onVerified(caller)
    return caller
  }

  return function identify (token, onUnknown) {
    const key = `c:${keys.mac('api-token', token)}`
    const found = known.get(key)
    if (found !== undefined && isGood(found, now())) return found.caller
    if (found === undefined) onUnknown?.()
    return flights.join(key, () => find(key, token))
  }
}

/** A clock that was set back makes the age negative: such a verification is not believed either. */
function isGood ({ caller, verifiedAt }: Known, at: number): boolean {
  const age = at - verifiedAt
  return age >= 0 && age < maxAgeMs && at < caller.expiresAt
}
