/**
 * This file notices that files have changed: by reading them again, since a mounted Kubernetes volume changes its files by
 * swapping a link far above them, and no event of the file itself tells.
 */
import { readFile } from 'node:fs/promises'
import { digestOf } from '../config/reader.ts'

export interface Watch {
  /** From now on these, by absolute path, with the digest of what was read of each. */
  expect (files: ReadonlyMap<string, string>): void
  close (): void
}

/**
 * Calls `onChange` when files are not as expected and two looks in a row have found them the same: a file that is still
 * being written must not be taken for a whole one. Not called again for the same content.
 */
export function watchFiles (intervalMs: number, onChange: () => void): Watch {
  let expected: ReadonlyMap<string, string> = new Map()
  let before: string | undefined
  let isLooking = false

  async function look (): Promise<void> {
    const files = expected
    const seen = await Promise.all([...files.keys()].map(async path => [path, await digestOfFile(path)] as const))
    if (files !== expected) return
    const now = JSON.stringify(seen)
    if (now === before && seen.some(([path, digest]) => digest !== files.get(path))) {
      expected = new Map(seen)
      onChange()
    }
    before = now
  }

  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    look().finally(() => { isLooking = false })
  }, intervalMs)
  timer.unref()

  return {
    expect (files) { expected = files },
    close () { clearInterval(timer) }
  }
}

async function digestOfFile (path: string): Promise<string> {
  try {
    return digestOf({ kind: 'text', text: await readFile(path, 'utf8') })
  } catch (error) {
    return digestOf({ kind: 'unreadable', code: (error as NodeJS.ErrnoException).code ?? 'unreadable' })
  }
}
