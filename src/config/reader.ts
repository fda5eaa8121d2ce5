/** This file is the way out of a config: to the environment and to other files. It remembers what was read and what is secret. */
import { dirname, resolve } from 'node:path'
import type { Sources } from './substitute.ts'

export type Content = { readonly kind: 'text', readonly text: string } | { readonly kind: 'unreadable', readonly code: string }

export interface Reader extends Sources {
  /** Every file asked for besides the config, absolute. */
  readonly files: ReadonlySet<string>
  /** The absolute path; relative ones start at the folder of the config. */
  resolve (path: string): string
  read (path: string): Content
  /** From now on, {@link show} does not show this. */
  hide (secret: string): void
  /** A text in quotes for a message, or a word for it when it contains something hidden. */
  show (text: string): string
}

export interface ReaderOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile: (path: string) => string
}

export function createReader ({ file, env, readFile }: ReaderOptions): Reader {
  const files = new Set<string>()
  const secrets = new Set<string>()
  const absolute = (path: string) => resolve(dirname(file), path)

  function read (path: string): Content {
    files.add(absolute(path))
    return tryRead(absolute(path), readFile)
  }

  return {
    files,
    resolve: absolute,
    read,
    variable: name => Object.hasOwn(env, name) ? env[name] : undefined,
    file (path) {
      const content = read(path)
      return content.kind === 'text' ? content.text : undefined
    },
    hide (secret) {
      if (secret !== '') secrets.add(secret)
    },
    show: text => [...secrets].some(secret => text.includes(secret)) ? 'a value that is not shown' : JSON.stringify(text)
  }
}

/** Reads a file; a failure is its code, because the system's message repeats the path. */
export function tryRead (path: string, readFile: (path: string) => string): Content {
  try {
    return { kind: 'text', text: readFile(path) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unreadable'
    return { kind: 'unreadable', code }
  }
}
