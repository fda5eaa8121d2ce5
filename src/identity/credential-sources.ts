/** This file makes credentials of what the config says, one for each `sourceType`. */
import type { ClientCredential } from '../config/schema.ts'
import { createAssertionFile } from './assertion-file.ts'
import { createCertificate, type CertificateOptions } from './certificate.ts'
import { createFileReader } from './credential-file.ts'
import { createClientSecret, type Credential } from './credentials.ts'

type Surroundings = Pick<CertificateOptions, 'clientId' | 'now' | 'random'>

/** Reads nothing yet: what does not load is told when it is used, and the next one in the list takes its place. */
export function createCredential (configured: ClientCredential, surroundings: Surroundings): Credential {
  switch (configured.sourceType) {
    case 'ClientSecret':
      return createClientSecret(configured.clientSecret)
    case 'SignedAssertionFilePath':
      return createAssertionFile(configured.signedAssertionFileDiskPath)
    case 'Path':
      return createCertificate({
        ...surroundings, name: 'Path', read: createFileReader(configured.certificateDiskPath), password: configured.certificatePassword
      })
    case 'Base64Encoded': {
      const bytes = Buffer.from(configured.base64EncodedValue, 'base64')
      return createCertificate({
        ...surroundings, name: 'Base64Encoded', read: async () => bytes, password: configured.certificatePassword
      })
    }
  }
}
