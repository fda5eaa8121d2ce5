/** This file loads a config: read, substituted, checked, resolved and frozen; or every problem it has. */
import { readFileSync } from 'node:fs'
import { readTree } from './tree.ts'
import { validate } from './validate.ts'
import { deepFreeze } from './freeze.ts'
import { formatProblem, type Problem } from './problems.ts'
import type { Config } from './schema.ts'

export { formatProblem, type Problem }

export interface LoadOptions {
  /** Path of the config. Relative paths in it start at its folder. */
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a whole file as UTF-8 and throws when it cannot. */
  readonly readFile?: (path: string) => string
}

export type Loaded =
  | { readonly kind: 'config', readonly config: Config, /** Key, secret and CA files it read or names. */ readonly files: readonly string[] }
  | { readonly kind: 'problems', readonly problems: readonly Problem[] }

export function loadConfig ({ file, readFile = path => readFileSync(path, 'utf8') }: LoadOptions): Loaded {
  const tree = readTree(readFile(file))
  const findings = [...tree.findings, ...validate('config', tree.data)]
  if (findings.length === 0 && tree.broken.length === 0) return { kind: 'config', config: deepFreeze(tree.data as Config), files: [] }
  return { kind: 'problems', problems: [...tree.broken.map(b => ({ file, path: '', ...b })), ...findings.map(({ pointer, part, message }) => ({ file, path: pointer, ...tree.positionOf(pointer, part), message }))] }
}
