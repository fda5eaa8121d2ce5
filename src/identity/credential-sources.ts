/** This file makes credentials of what the config says, one for each `sourceType`. */
import type { Environment } from '../config/environment.ts'
import type { ClientCredential } from '../config/schema.ts'
import { createAssertionFile } from './assertion-file.ts'
import { createCertificate, type CertificateOptions, type CertificateSource } from './certificate.ts'
import { createFileReader } from './credential-file.ts'
import { createClientSecret, type Credential } from './credentials.ts'
import { createKeyVault } from './key-vault.ts'
import type { Log } from './log.ts'
import { createManagedIdentityAssertion } from './managed-identity.ts'
import type { NetworkOptions } from './network.ts'

/** What credentials need to know beside themselves. */
export interface Surroundings extends Pick<CertificateOptions, 'clientId' | 'sendX5c' | 'now' | 'random'> {
  readonly environment: Environment
  /** How calls to a service are made, whichever it is. */
  readonly network: Omit<NetworkOptions, 'origins'>
  readonly log: Log
}

/** Reads nothing yet: what does not load is told when it is used, and the next one in the list takes its place. */
export function createCredential (configured: ClientCredential, surroundings: Surroundings): Credential {
  const { sourceType: name } = configured
  const certificate = (source: CertificateSource, password?: string) =>
    createCertificate({ ...surroundings, name, source, password })
  switch (configured.sourceType) {
    case 'ClientSecret':
      return createClientSecret(configured.clientSecret)
    case 'SignedAssertionFilePath':
      return createAssertionFile(configured.signedAssertionFileDiskPath)
    case 'SignedAssertionFromManagedIdentity':
      return createManagedIdentityAssertion(configured, surroundings)
    case 'KeyVault':
      return certificate(createKeyVault(configured, surroundings))
    case 'Path':
      return certificate(sourceOf(createFileReader(configured.certificateDiskPath)), configured.certificatePassword)
    case 'Base64Encoded': {
      const bytes = Buffer.from(configured.base64EncodedValue, 'base64')
      return certificate(sourceOf(async () => bytes), configured.certificatePassword)
    }
  }
}

/** A source that is looked at for every use anyway. */
export function sourceOf (read: () => Promise<Buffer>): CertificateSource {
  return { read, distrust () {}, async close () {} }
}
