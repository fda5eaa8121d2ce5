/** This file takes the client assertion from a file, as Azure workload identity and Kubernetes mount it. */
import { createFileReader } from './credential-file.ts'
import { CredentialError, type Credential } from './credentials.ts'

/** @param path - a signed JWT of an issuer that the app registration trusts; replaced before it expires */
export function createAssertionFile (path: string): Credential {
  const read = createAssertionReader(path)
  return {
    name: 'SignedAssertionFilePath',
    isReloadable: true,
    async load () {
      const assertion = await read()
      return { clientAssertion: async () => assertion }
    },
    forget () {},
    async close () {}
  }
}

/** @returns a function that reads the assertion as it is now; it throws CredentialError */
export function createAssertionReader (path: string): () => Promise<string> {
  const read = createFileReader(path)
  return async () => {
    const assertion = (await read()).toString('utf8').trim()
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion)) throw new CredentialError(`${path} does not hold a signed assertion`)
    return assertion
  }
}
