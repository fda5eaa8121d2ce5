/**
 * This file gets tokens of the identity that Azure gives a pod: the token that Kubernetes mounted is exchanged for one
 * of the identity's own.
 *
 * @see https://learn.microsoft.com/entra/workload-id/workload-identity-federation
 */
import { ConfidentialClientApplication } from '@azure/msal-node'
import type { WorkloadIdentity } from '../config/environment.ts'
import { createAssertionReader } from './assertion-file.ts'
import { CredentialError } from './credentials.ts'
import { quietLogger } from './msal.ts'
import { createProviderNetwork, type NetworkOptions } from './network.ts'

/** Tokens for one resource. */
export interface TokenSource {
  /** @throws CredentialError, or what the provider or the network said */
  ask (): Promise<string>
  close (): Promise<void>
}

export function createWorkloadIdentity (
  { authorityHost, tenantId, clientId, tokenFile }: WorkloadIdentity, resource: string, options: Omit<NetworkOptions, 'origins'>
): TokenSource {
  const authority = `${authorityHost}/${tenantId}`
  const readAssertion = createAssertionReader(tokenFile)
  const network = createProviderNetwork({ ...options, origins: [authorityHost] })
  return {
    async ask () {
      const clientAssertion = await readAssertion()
      const client = new ConfidentialClientApplication({
        auth: {
          clientId,
          clientAssertion: async () => clientAssertion,
          authority,
          // With both of these MSAL has nothing to look up.
          knownAuthorities: [new URL(authorityHost).host],
          authorityMetadata: JSON.stringify(endpointsOf(authority))
        },
        system: { networkClient: network.module, loggerOptions: quietLogger }
      })
      const result = await client.acquireTokenByClientCredential({ scopes: [`${resource}/.default`] })
      if (result === null) throw new CredentialError('the workload identity gave no token')
      return result.accessToken
    },
    close: network.close
  }
}

/** Where every tenant of Entra ID has them. */
function endpointsOf (authority: string) {
  return {
    issuer: `${authority}/v2.0`,
    authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
    token_endpoint: `${authority}/oauth2/v2.0/token`,
    jwks_uri: `${authority}/discovery/v2.0/keys`
  }
}
