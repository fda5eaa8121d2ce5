/** This file takes the client assertion from a file, as Azure workload identity and Kubernetes mount it. */
import { createFileReader } from './credential-file.ts'
import { CredentialError, type Credential } from './credentials.ts'

/** @param path - a signed JWT of an issuer that the app registration trusts; replaced before it expires */
export function createAssertionFile (path: string): Credential {
  const read = createFileReader(path)
  return {
    name: 'SignedAssertionFilePath',
    isReloadable: true,
    async load () {
      const assertion = (await read()).toString('utf8').trim()
      if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion)) throw new CredentialError(`${path} does not hold a signed assertion`)
      return { clientAssertion: async () => assertion }
    },
    forget () {}
  }
}
