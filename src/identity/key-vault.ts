/**
 * This file reads a certificate with its key out of Azure Key Vault: the key of an exportable certificate is in the
 * secret of the same name, as PFX or PEM.
 *
 * @see https://learn.microsoft.com/azure/key-vault/certificates/about-certificates#composition-of-a-certificate
 */
import type { ClientCredential } from '../config/schema.ts'
import type { CertificateSource } from './certificate.ts'
import type { Surroundings } from './credential-sources.ts'
import { CredentialError, CredentialUnavailable } from './credentials.ts'
import { createKept, type Handed } from './kept.ts'
import { askManagedIdentity } from './managed-identity.ts'
import { createProviderNetwork } from './network.ts'
import { StsError } from './sts-error.ts'
import { createWorkloadIdentity } from './workload-identity.ts'

type Configured = Extract<ClientCredential, { sourceType: 'KeyVault' }>

const apiVersion = '7.4'
/** A new version is found within the hour; replicas spread over a fifth of it. */
const hour = 3_600_000

/** Asks the vault as the pod's workload identity, or else as the machine's managed identity. */
export function createKeyVault (configured: Configured, surroundings: Surroundings): CertificateSource {
  const { keyVaultUrl, keyVaultCertificateName, managedIdentityClientId } = configured
  const { environment: { workloadIdentity }, network: options, now, random, log } = surroundings
  const { origin, host } = new URL(keyVaultUrl)
  // The audience of all vaults of a cloud is what follows the vault's name: a token for it is good nowhere else.
  const resource = `https://${host.slice(host.indexOf('.') + 1)}`
  const network = createProviderNetwork({ ...options, origins: [origin] })
  const identity = workloadIdentity === undefined || managedIdentityClientId !== undefined
    ? { ask: async () => (await askManagedIdentity(resource, managedIdentityClientId)).value, async close () {} }
    : createWorkloadIdentity(workloadIdentity, resource, options)

  async function readSecret (): Promise<Handed<Buffer>> {
    const url = `${origin}/secrets/${keyVaultCertificateName}?api-version=${apiVersion}`
    const { value } = await network.getDocument(url, { authorization: `Bearer ${await identity.ask()}` })
    if (typeof value !== 'string') throw new CredentialError('the key vault gave no secret')
    return { value: bytesOf(value), renewAt: now() + hour * (0.9 + 0.2 * random()), endsAt: Number.POSITIVE_INFINITY }
  }

  const certificate = createKept({
    ask: async () => await readSecret().catch(toCredentialError),
    now,
    onFailed: err => log.warn({ err, credential: 'KeyVault' }, 'a client credential cannot be renewed')
  })
  return {
    read: certificate.get,
    distrust: certificate.distrust,
    async close () { await Promise.all([network.close(), identity.close()]) }
  }
}

function bytesOf (secret: string): Buffer {
  return secret.includes('-----BEGIN ') ? Buffer.from(secret, 'latin1') : Buffer.from(secret, 'base64')
}

/** What is said about this gateway, such as that it may not read what is there, cannot be waited out. */
function toCredentialError (cause: unknown): never {
  if (cause instanceof CredentialError) throw cause
  const isAway = cause instanceof StsError && cause.errorCode !== 'sts_bad_response'
  throw isAway
    ? new CredentialUnavailable('the key vault does not answer', { cause })
    : new CredentialError('the key vault does not give the certificate', { cause })
}
