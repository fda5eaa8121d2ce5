/**
 * This file gets the keys that tokens are signed with, as an API gets them from Entra ID: from the tenant's JWKS.
 */
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose'
import { Agent, fetch } from 'undici'

/** The tenant whose tokens an API accepts. */
export interface Issuer {
  /** Origin of the identity provider. */
  readonly origin: string
  readonly tenantId: string
  /** The CA of the emulator; the real Entra ID needs none. */
  readonly caPem: string
}

export interface SigningKeys {
  /** Finds the key that a token names; asks again for one it does not know, but not more often than jose lets it. */
  readonly keyOf: JWTVerifyGetKey
  close (): Promise<void>
}

/** Nothing is asked for before the first token comes. */
export function createSigningKeys ({ origin, tenantId, caPem }: Issuer): SigningKeys {
  const dispatcher = new Agent({ connect: { ca: caPem } })
  const keyOf = createRemoteJWKSet(new URL(`${origin}/${tenantId}/discovery/v2.0/keys`), {
    // jose asks with Node's own fetch, which cannot be told to trust one more CA for these requests alone.
    [customFetch]: async (url, { headers, signal }) => {
      return await fetch(url, { headers: Object.fromEntries(headers), signal, dispatcher }) as never
    }
  })
  return { keyOf, close: async () => { await dispatcher.close() } }
}
