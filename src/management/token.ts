/**
 * This file knows the token of administrators: from a file, read again when that has changed, whole or not at all.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { parseManagementToken } from '../config/management-token.ts'
import { createFileReader } from '../identity/credential-file.ts'

export interface ManagementToken {
  /** Whether an Authorization field holds the token that the file holds now. Takes the same time however wrong it is. */
  isIn (authorization: string | undefined): Promise<boolean>
}

/**
 * A file that cannot be read, or is in the middle of being written, changes nothing: the last token stays.
 *
 * @param onTrouble - told about such a file, once per change of it
 */
export async function createManagementToken (file: string, onTrouble: (error: Error) => void): Promise<ManagementToken> {
  const read = createFileReader(file)
  let seen: Buffer | undefined
  let isTold = false
  let digest: Buffer | undefined

  async function refresh (): Promise<void> {
    try {
      const content = await read()
      if (content === seen) return
      seen = content
      const token = parseManagementToken(content.toString('utf8'))
      if (token === undefined) throw new TypeError('the token file holds no token')
      digest = digestOf(token)
      isTold = false
    } catch (error) {
      if (!isTold) onTrouble(error as Error)
      isTold = true
    }
  }

  await refresh()
  return {
    async isIn (authorization) {
      await refresh()
      const presented = /^Bearer +([^ ]+)$/i.exec(authorization ?? '')?.[1]
      return digest !== undefined && presented !== undefined && timingSafeEqual(digest, digestOf(presented))
    }
  }
}

/** Digests have one length, and how far two of them agree says nothing about the tokens. */
function digestOf (token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
