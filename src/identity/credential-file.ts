/** This file reads a secret file again when it has changed: Kubernetes swaps mounted secrets and tokens under our feet. */
import { open } from 'node:fs/promises'
import { CredentialError } from './credentials.ts'

/** Reads the file, or hands out what it read when the file is still the same one. */
export type ReadFile = () => Promise<Buffer>

const maxBytes = 256 * 1024

/** @returns a function that gives the same Buffer object as long as the file is unchanged; it throws CredentialError */
export function createFileReader (path: string): ReadFile {
  let known = { stamp: '', content: Buffer.alloc(0) }

  async function read (): Promise<Buffer> {
    // Opened first: whatever is swapped meanwhile, what is looked at and what is read are one file.
    const file = await open(path)
    try {
      const { mtimeMs, size, ino } = await file.stat()
      if (size > maxBytes) throw new CredentialError(`${path} is too large`)
      const stamp = `${ino} ${mtimeMs} ${size}`
      if (stamp !== known.stamp) known = { stamp, content: await file.readFile() }
      return known.content
    } finally {
      await file.close()
    }
  }

  return () => read().catch(cause => { throw new CredentialError(`${path} cannot be read`, { cause }) })
}
