/**
 * This file makes MSAL's calls: one client per operation, bound to one cache.
 *
 * A client that lived longer would serve one user's tokens beside another's, never forget anyone, and let one user's
 * throttling block all.
 */
import {
  ConfidentialClientApplication, LogLevel, type AccountInfo, type AuthenticationResult, type ClientAssertionCallback,
  type INetworkModule
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
  /** Whether tenants are part of every address and token, as at Entra ID; other providers have one and need not name it. */
  readonly hasTenants: boolean
  readonly redirectUri: string
  /** What the provider is told that this gateway can handle; sent with every request as claims. */
  readonly clientCapabilities: readonly string[]
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

export interface AppRequest {
  /** Of one resource; its `.default` where the token is the gateway's own. */
  readonly scopes: readonly string[]
  readonly claims?: string | undefined
}

/** One exchange of a user's token for another, in the user's tenant. */
export interface ExchangeRequest extends AppRequest {
  readonly tid: string
  /** An access token for this gateway. */
  readonly assertion: string
}

/** All functions throw MSAL's errors and those of the network. */
export interface Msal {
  signInUrl (request: SignInRequest): Promise<string>
  /** @param request - with scopes of one resource */
  redeem (partition: Partition, auth: ClientAuth, request: CodeRedemption): Promise<AuthenticationResult>
  /** Answers from the partition with a token of this very account, or with undefined. */
  cached (partition: Partition, request: SilentRequest): Promise<AuthenticationResult | undefined>
  /** Asks the provider, whatever is cached. */
  refresh (partition: Partition, auth: ClientAuth, request: SilentRequest): Promise<AuthenticationResult>
  /** Asks the provider for a token of the gateway itself, in the configured tenant. */
  forApp (auth: ClientAuth, request: AppRequest): Promise<AuthenticationResult>
  /** Asks the provider for a token on behalf of a user. */
  onBehalfOf (auth: ClientAuth, request: ExchangeRequest): Promise<AuthenticationResult>
}

/** What one client is made for. */
interface Operation {
  readonly tenant: string
  readonly auth: ClientAuth
  readonly networkClient: INetworkModule
  readonly partition?: Partition
}

/** MSAL's own log would be beside ours, and nothing of what it says is needed. */
export const quietLogger = { piiLoggingEnabled: false, logLevel: LogLevel.Error, loggerCallback: () => {} }

/** MSAL wants a credential even for what never leaves the process. None is read or signed for that. */
const noAuth: ClientAuth = { clientSecret: 'unused' }

export function createMsal (options: MsalOptions): Msal {
  const { clientId, instance, tenantId, hasTenants, redirectUri, clientCapabilities, network, metadata } = options
  const { host } = new URL(instance)

  /**
   * One segment alone MSAL would put in the place of the first one of every endpoint. Of two, it files tokens under the
   * first and looks for them under the last.
   */
  function authorityOf (tenant: string): string {
    return hasTenants ? instance + tenant : `${instance}${tenant}/${tenant}`
  }

  /** As MSAL files the account: for want of a `tid` it takes something else for the tenant, such as B2C's policy. */
  async function filedAccount (client: ConfidentialClientApplication, account: Account): Promise<AccountInfo> {
    const filed = hasTenants ? [] : await client.getTokenCache().getAllAccounts()
    return filed.find(one => one.homeAccountId === account.homeAccountId) ?? accountInfo(account)
  }

  async function silentRequest (client: ConfidentialClientApplication, { account, scopes, claims }: SilentRequest) {
    // Account and authority must agree: MSAL looks for cached tokens by the tenant of one and renews by that of the other.
    return { account: await filedAccount(client, account), authority: authorityOf(account.tid), scopes: [...scopes], claims }
  }

  function isOf (filed: AccountInfo | null, { tid, oid, homeAccountId }: Account): boolean {
    return hasTenants ? filed?.tenantId === tid && filed.localAccountId === oid : filed?.homeAccountId === homeAccountId
  }

  function createClient ({ tenant, auth, networkClient, partition }: Operation) {
    return new ConfidentialClientApplication({
      auth: {
        clientId,
        authority: authorityOf(tenant),
        // With both of these MSAL has nothing left to look up.
        knownAuthorities: [host],
        authorityMetadata: metadata().json,
        clientCapabilities: [...clientCapabilities],
        ...auth
      },
      cache: partition === undefined ? {} : { cachePlugin: partition.plugin },
      system: { networkClient, loggerOptions: quietLogger }
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
      const result = await client.acquireTokenSilent(await silentRequest(client, request)).catch(undefinedIfUncached)
      return result !== undefined && isOf(result.account, request.account) ? result : undefined
    },
    async refresh (partition, auth, request) {
      const client = createClient({ tenant: request.account.tid, auth, networkClient: network, partition })
      return client.acquireTokenSilent({ ...await silentRequest(client, request), forceRefresh: true })
    },
    async forApp (auth, { scopes, claims }) {
      const client = createClient({ tenant: tenantId, auth, networkClient: network })
      // A region in the environment would send the credential to a host that nobody configured.
      return answered(await client.acquireTokenByClientCredential({
        scopes: [...scopes], claims, skipCache: true, azureRegion: 'DisableMsalForceRegion'
      }))
    },
    async onBehalfOf (auth, { tid, assertion, scopes, claims }) {
      const client = createClient({ tenant: tid, auth, networkClient: network })
      const request = { oboAssertion: assertion, scopes: [...scopes], claims, skipCache: true }
      return answered(await client.acquireTokenOnBehalfOf(request))
    }
  }
}

function accountInfo ({ homeAccountId, environment, tid, oid }: Account): AccountInfo {
  return { homeAccountId, environment, tenantId: tid, localAccountId: oid, username: '' }
}

function answered (result: AuthenticationResult | null): AuthenticationResult {
  if (result === null) throw new TypeError('MSAL answered with nothing')
  return result
}

function undefinedIfUncached (error: unknown): undefined {
  // Without a refresh token MSAL does not even try the network; asked again there, it says so again.
  if (error instanceof StsError || (error instanceof Error && error.name === 'InteractionRequiredAuthError')) return undefined
  throw error
}
