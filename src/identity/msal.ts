/**
 * This file makes MSAL's calls: one client per operation, bound to one cache.
 *
 * A client that lived longer would serve one user's tokens beside another's, never forget anyone, and let one user's
 * throttling block all.
 */
import {
  ConfidentialClientApplication, LogLevel, type AuthenticationResult, type ClientAssertionCallback, type INetworkModule
} from '@azure/msal-node'
import type { Metadata } from './metadata.ts'
import { cacheOnly } from './network.ts'
import type { Account, CodeRedemption, SignInRequest } from './provider.ts'
import { StsError } from './sts-error.ts'
import type { Partition } from './token-cache.ts'

/** How the gateway proves who it is: one of the two. */
export type ClientAuth =
  | { readonly clientSecret: string }
  | { readonly clientAssertion: ClientAssertionCallback }

export interface MsalOptions {
  readonly clientId: string
  /** With a trailing slash. */
  readonly instance: string
  /** Of the sign-in: GUID, domain or alias. */
  readonly tenantId: string
  readonly redirectUri: string
  readonly network: INetworkModule
  /** @throws SG_PROVIDER_UNAVAILABLE not known yet */
  readonly metadata: () => Metadata
}

/** One silent request. `scopes` are of one resource. */
export interface SilentRequest {
  readonly account: Account
  readonly scopes: readonly string[]
  readonly claims?: string | undefined
}

/** All functions throw MSAL's errors and those of the network. */
export interface Msal {
  signInUrl (request: SignInRequest): Promise<string>
  /** @param request - with scopes of one resource */
  redeem (partition: Partition, auth: ClientAuth, request: CodeRedemption): Promise<AuthenticationResult>
  /** Answers from the partition, or with undefined. */
  cached (partition: Partition, request: SilentRequest): Promise<AuthenticationResult | undefined>
  /** Asks the provider, whatever is cached. */
  refresh (partition: Partition, auth: ClientAuth, request: SilentRequest): Promise<AuthenticationResult>
}

/** What one client is made for. */
interface Operation {
  readonly tenant: string
  readonly auth: ClientAuth
  readonly networkClient: INetworkModule
  readonly partition?: Partition
}

/** MSAL wants a credential even for what never leaves the process. None is read or signed for that. */
const noAuth: ClientAuth = { clientSecret: 'unused' }

export function createMsal (options: MsalOptions): Msal {
  const { clientId, instance, tenantId, redirectUri, network, metadata } = options
  const { host } = new URL(instance)

  function createClient ({ tenant, auth, networkClient, partition }: Operation) {
    return new ConfidentialClientApplication({
      auth: {
        clientId,
        authority: instance + tenant,
        // With both of these MSAL has nothing left to look up.
        knownAuthorities: [host],
        authorityMetadata: metadata().json,
        ...auth
      },
      cache: partition === undefined ? {} : { cachePlugin: partition.plugin },
      system: { networkClient, loggerOptions: { piiLoggingEnabled: false, logLevel: LogLevel.Error, loggerCallback: () => {} } }
    })
  }

  return {
    async signInUrl ({ codeChallenge, scopes, ...request }) {
      const client = createClient({ tenant: tenantId, auth: noAuth, networkClient: cacheOnly })
      return client.getAuthCodeUrl({
        ...request, scopes: [...scopes], redirectUri, codeChallenge, codeChallengeMethod: 'S256', responseMode: 'query'
      })
    },
    async redeem (partition, auth, { scopes, ...request }) {
      const client = createClient({ tenant: tenantId, auth, networkClient: network, partition })
      return client.acquireTokenByCode({ ...request, scopes: [...scopes], redirectUri })
    },
    async cached (partition, request) {
      const client = createClient({ tenant: request.account.tid, auth: noAuth, networkClient: cacheOnly, partition })
      return client.acquireTokenSilent(silentRequest(request, instance)).catch(undefinedIfUncached)
    },
    async refresh (partition, auth, request) {
      const client = createClient({ tenant: request.account.tid, auth, networkClient: network, partition })
      return client.acquireTokenSilent({ ...silentRequest(request, instance), forceRefresh: true })
    }
  }
}

/** The account's tenant and the authority must agree: MSAL looks for cached tokens by the one and renews by the other. */
function silentRequest ({ account, scopes, claims }: SilentRequest, instance: string) {
  return {
    account: {
      homeAccountId: account.homeAccountId,
      environment: account.environment,
      tenantId: account.tid,
      localAccountId: account.oid,
      username: ''
    },
    authority: instance + account.tid,
    scopes: [...scopes],
    claims
  }
}

function undefinedIfUncached (error: unknown): undefined {
  // Without a refresh token MSAL does not even try the network; asked again there, it says so again.
  if (error instanceof StsError || (error instanceof Error && error.name === 'InteractionRequiredAuthError')) return undefined
  throw error
}
