/**
 * This file learns how the provider names itself in access tokens of version 1: at another host than its own
 * (`https://sts.windows.net/{tenantid}/`, and others in national clouds), which only its metadata tells. It is asked when the
 * first such token comes, which may be never.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/access-tokens#token-formats
 */
import { errors } from '../errors.ts'
import type { ProviderNetwork } from './network.ts'

export interface V1IssuerOptions {
  /** With a trailing slash. */
  readonly instance: string
  readonly tenantId: string
  readonly network: Pick<ProviderNetwork, 'getDocument'>
  /** Epoch milliseconds. */
  readonly now: () => number
}

const cooldownMs = 30_000
const tenantInPath = /\/(?:\{tenantid\}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/$/

/**
 * @returns the issuer of every tenant, with `{tenantid}` for the tenant
 * @throws SG_PROVIDER_UNAVAILABLE it cannot be learned now
 */
export function createV1Issuer ({ instance, tenantId, network, now }: V1IssuerOptions): () => Promise<string> {
  let known: Promise<string> | undefined
  let triedAt = Number.NEGATIVE_INFINITY

  async function learn (): Promise<string> {
    const { issuer } = await network.getDocument(`${instance}${tenantId}/.well-known/openid-configuration`)
    return parseV1Issuer(issuer)
  }

  return function issuerOfV1 () {
    if (known !== undefined) return known
    if (Math.abs(now() - triedAt) < cooldownMs) return Promise.reject(new errors.SG_PROVIDER_UNAVAILABLE())
    triedAt = now()
    known = learn().catch(cause => {
      known = undefined
      throw new errors.SG_PROVIDER_UNAVAILABLE({ cause })
    })
    return known
  }
}

/** The issuer of one tenant, or of all, as that of all. @throws TypeError it is none */
export function parseV1Issuer (issuer: unknown): string {
  if (typeof issuer !== 'string' || !issuer.startsWith('https://') || !tenantInPath.test(issuer)) {
    throw new TypeError('issuer is not a tenant\'s')
  }
  return issuer.replace(tenantInPath, '/{tenantid}/')
}
