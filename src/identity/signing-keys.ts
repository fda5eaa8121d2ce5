/**
 * This file keeps the provider's signing keys: refetched when an unknown one is asked for, but at most once per
 * cooldown whatever is asked; the last good set serves on while the provider is away, for a day.
 */
import { importJWK, type CryptoKey } from 'jose'
import type { ProviderNetwork } from './network.ts'
import { ProviderUnavailable } from './outcome.ts'

export interface SigningKey {
  readonly key: CryptoKey
  /** The issuer this key may sign for, with `{tenantid}` in it where it serves several. */
  readonly issuer: string | undefined
}

export interface SigningKeys {
  /** @returns undefined when the provider has no such key. @throws SG_PROVIDER_UNAVAILABLE there is no set to look in */
  find (kid: string): Promise<SigningKey | undefined>
  /** Fetches the set. @throws StsError when that fails and none of the last 24 h is there */
  refresh (jwksUri: string): Promise<void>
}

const cooldownMs = 30_000
const maxAgeMs = 24 * 3_600_000
const minModulusBits = 2048

export function createSigningKeys (network: ProviderNetwork, now: () => number): SigningKeys {
  let uri = ''
  let keys = new Map<string, SigningKey>()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let triedAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<void> | undefined

  async function fetchKeys (): Promise<void> {
    const { keys: listed } = await network.getDocument(uri)
    const usable = await importKeys(Array.isArray(listed) ? listed : [])
    if (usable.size === 0) throw new TypeError('the key set has no usable key')
    keys = usable
    fetchedAt = now()
  }

  function isFresh (): boolean {
    return Math.abs(now() - fetchedAt) < maxAgeMs
  }

  /** One fetch at a time and per cooldown; a failure is told only when nothing can serve instead. */
  async function refetch (): Promise<void> {
    triedAt = now()
    underWay ??= fetchKeys().finally(() => { underWay = undefined })
    await underWay.catch(error => { if (!isFresh()) throw error })
  }

  return {
    async find (kid) {
      const isCooling = Math.abs(now() - triedAt) < cooldownMs
      if (underWay !== undefined || ((!isFresh() || !keys.has(kid)) && !isCooling)) {
        await refetch().catch(cause => { throw new ProviderUnavailable(undefined, cause) })
      }
      if (!isFresh()) throw new ProviderUnavailable()
      return keys.get(kid)
    },
    async refresh (jwksUri) {
      uri = jwksUri
      await refetch()
    }
  }
}

/** Ignores what it cannot use: one odd key must not take the others away. */
async function importKeys (listed: readonly unknown[]): Promise<Map<string, SigningKey>> {
  const usable = new Map<string, SigningKey>()
  for (const jwk of listed) {
    if (!isSigningKey(jwk)) continue
    // Only what makes an RSA public key is taken over: whatever else stands in the set has no say.
    const key = await importJWK({ kty: 'RSA', n: jwk.n, e: jwk.e }, 'RS256').catch(() => undefined)
    if (key === undefined || key instanceof Uint8Array) continue
    usable.set(jwk.kid, { key, issuer: typeof jwk.issuer === 'string' ? jwk.issuer : undefined })
  }
  return usable
}

function isSigningKey (jwk: unknown): jwk is { kid: string, n: string, e: string, issuer?: unknown } {
  if (typeof jwk !== 'object' || jwk === null) return false
  const { kty, use, kid, n, e } = jwk as Record<string, unknown>
  if (kty !== 'RSA' || (use !== undefined && use !== 'sig') || typeof kid !== 'string') return false
  if (typeof n !== 'string' || typeof e !== 'string') return false
  return Buffer.from(n, 'base64url').length * 8 >= minModulusBits
}
