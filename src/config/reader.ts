/** This file is the way out of a config: to the environment and to other files. It remembers what was read and what is secret. */
import { createHash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import type { Sources } from './substitute.ts'

export type Content = { readonly kind: 'text', readonly text: string } | { readonly kind: 'unreadable', readonly code: string }

export interface Reader extends Sources {
  /** Every file that was read, but those that are only looked at; by its absolute path the digest of what was there. */
  readonly files: ReadonlyMap<string, string>
  /** The absolute path; relative ones start at the folder of the config. */
  resolve (path: string): string
  read (path: string): Content
  /** The same for a file that is read again by whoever uses it: a change of it needs no new config. */
  look (path: string): Content
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
  const files = new Map<string, string>()
  const secrets = new Set<string>()
  const absolute = (path: string) => path === file ? resolve(file) : resolve(dirname(file), path)

  const look = (path: string): Content => tryRead(absolute(path), readFile)

  function read (path: string): Content {
    const content = look(path)
    files.set(absolute(path), digestOf(content))
    return content
  }

  return {
    files,
    resolve: absolute,
    read,
    look,
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

/** Tells whether two readings of a file are the same without keeping its content. */
export function digestOf (content: Content): string {
  return content.kind === 'text' ? createHash('sha256').update(content.text).digest('base64') : content.code
}

/** Reads a file; a failure is its code, because the system's message repeats the path. */
function tryRead (path: string, readFile: (path: string) => string): Content {
  try {
    return { kind: 'text', text: readFile(path) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unreadable'
    return { kind: 'unreadable', code }
  }
}
