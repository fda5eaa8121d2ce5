/** This file says what a problem of a config is, and how it is printed. */

/** Where something stands in a file; both count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One thing that is wrong, with the place to change and a sentence that tells what to write instead. */
export interface Problem extends Position {
  /** The file as it was named, the config or a key file. */
  readonly file: string
  /** JSON pointer of the value in that file, or of what is around it; empty for the whole. */
  readonly path: string
  /** Never contains a secret or a substituted value. */
  readonly message: string
}

/** A problem before its position is known. */
export interface Finding {
  readonly pointer: string
  /** Whether the key or its value is to be changed. */
  readonly part: 'key' | 'value'
  /** What goes on after the name of the setting: `must be a text`. */
  readonly message: string
}

/** `file:line:column message`, as editors and terminals link it. */
export function formatProblem (problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column} ${problem.message}`
}

/** Adds a key or index to a JSON pointer (RFC 6901). */
export function pointerTo (parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/**
 * What a pointer points to, as the subject of a sentence: `publicUrl`, `scopes[0]`. What does not look like a name is not
 * repeated: `{ clientSecret:abc }` without the space is a key to YAML.
 */
export function subjectOf (pointer: string): string {
  if (pointer === '') return 'the file'
  const [parent, last] = pointer.split('/').slice(-2) as [string, string]
  if (/^\d+$/.test(last)) return parent === '' ? `entry ${last}` : `${named(parent)}[${last}]`
  return named(last)
}

function named (key: string): string {
  return /^[A-Za-z][A-Za-z0-9_-]{0,39}$/.test(key) ? key : 'this'
}
