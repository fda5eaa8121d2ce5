/**
 * This file gets tokens of the identity that Azure gives a machine: a virtual machine, an app of App Service, and
 * whatever else MSAL knows how to ask.
 *
 * MSAL settles for the whole process which service it asks, and by which network module, when it asks first. So it gets
 * none of ours, which ends with its gateway; its own has no deadline, hence the one here.
 */
import { AuthError, ManagedIdentityApplication } from '@azure/msal-node'
import type { ClientCredential } from '../config/schema.ts'
import type { Surroundings } from './credential-sources.ts'
import { CredentialError, CredentialUnavailable, type Credential } from './credentials.ts'
import { createKept, type Handed } from './kept.ts'
import { quietLogger } from './msal.ts'

type Configured = Extract<ClientCredential, { sourceType: 'SignedAssertionFromManagedIdentity' }>

const deadlineMs = 8_000
const minute = 60_000

/**
 * The token of a managed identity as client assertion: the application has a federated credential for it.
 *
 * @see https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
 */
export function createManagedIdentityAssertion (
  { managedIdentityClientId, tokenExchangeUrl = 'api://AzureADTokenExchange' }: Configured, { now, log }: Surroundings
): Credential {
  const name = 'SignedAssertionFromManagedIdentity'
  const assertion = createKept({
    ask: async () => await askManagedIdentity(tokenExchangeUrl, managedIdentityClientId),
    now,
    onFailed: err => log.warn({ err, credential: name }, 'a client credential cannot be renewed')
  })
  return {
    name,
    isReloadable: true,
    async load () {
      const text = await assertion.get()
      return { clientAssertion: async () => text }
    },
    forget: assertion.distrust,
    async close () {}
  }
}

/**
 * @param resource - whom the token is for
 * @param clientId - of a user-assigned identity; undefined: the machine's own
 * @throws CredentialError there is no such identity; CredentialUnavailable whoever knows does not answer
 */
export async function askManagedIdentity (resource: string, clientId: string | undefined): Promise<Handed<string>> {
  const application = new ManagedIdentityApplication({
    managedIdentityIdParams: clientId === undefined ? {} : { userAssignedClientId: clientId },
    system: { loggerOptions: quietLogger }
  })
  // Always a new one: what MSAL keeps may be what the provider has just rejected.
  const asked = application.acquireToken({ resource, forceRefresh: true }).catch(toCredentialError)
  const { accessToken, expiresOn, refreshOn } = await withinDeadline(asked)
  if (accessToken === '' || expiresOn === null) throw new CredentialError('the managed identity gave no token')
  const endsAt = expiresOn.getTime() - minute
  return { value: accessToken, renewAt: refreshOn?.getTime() ?? endsAt - 5 * minute, endsAt }
}

async function withinDeadline<T> (work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new CredentialUnavailable('the managed identity did not answer in time')) }, deadlineMs)
  })
  return await Promise.race([work, deadline]).finally(() => { clearTimeout(timer) })
}

function toCredentialError (cause: unknown): never {
  const { status = 0 } = cause as { status?: number }
  const isAway = status >= 500 || status === 429 || (cause instanceof AuthError && cause.errorCode === 'network_error')
  throw isAway
    ? new CredentialUnavailable('the managed identity does not answer', { cause })
    : new CredentialError('the managed identity gives no token', { cause })
}
