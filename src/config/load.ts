/** This file loads a config: read, substituted, checked, resolved and frozen; or else every problem it has. */
import { readFileSync } from 'node:fs'
import { readDraft, type Draft } from './draft.ts'
import { resolveFiles } from './files.ts'
import { deepFreeze } from './freeze.ts'
import { formatProblem, type Problem } from './problems.ts'
import { createReader, tryRead, type Reader } from './reader.ts'
import { checkKeys, checkRules } from './rules.ts'
import type { Config } from './schema.ts'
import type { SoundConfig, SoundKeys } from './sound.ts'

export { formatProblem, type Problem }

export interface LoadOptions {
  /** Path of the config. Relative paths in it start at its folder. */
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a whole file as UTF-8 and throws when it cannot. */
  readonly readFile?: (path: string) => string
  /** Epoch milliseconds, to tell expired certificates. */
  readonly now?: number
}

export type Loaded =
  | { readonly kind: 'config', readonly config: Config, /** Absolute paths of the key, secret and CA files in use. */ readonly files: readonly string[] }
  | { readonly kind: 'problems', readonly problems: readonly Problem[] }

/**
 * Loads a config with everything it refers to. Never throws; coerces nothing; problems contain no secret and no
 * substituted value.
 */
export function loadConfig ({ file, env, readFile = path => readFileSync(path, 'utf8'), now = Date.now() }: LoadOptions): Loaded {
  const content = tryRead(file, readFile)
  if (content.kind === 'unreadable') return refused([{ file, line: 1, column: 1, path: '', message: `cannot be read (${content.code})` }])

  const reader = createReader({ file, env, readFile })
  const draft = readDraft<SoundConfig>('config', file, content.text, reader)
  const problemsElsewhere = draft.sound === undefined ? [] : complete(draft.sound, draft, reader, now)
  const problems = [...draft.problems(), ...problemsElsewhere]
  if (problems.length > 0) return refused(problems)
  return { kind: 'config', config: deepFreeze(draft.sound as unknown as Config), files: [...reader.files].sort() }
}

function refused (problems: Problem[]): Loaded {
  return { kind: 'problems', problems }
}

/** Brings in the files and applies the rules. Returns the problems of the key file. */
function complete (config: SoundConfig, draft: Draft<SoundConfig>, reader: Reader, now: number): Problem[] {
  resolveFiles(config, draft, reader, now)
  checkRules(config, { report: draft.report, lineOf: draft.lineOf, show: reader.show })
  const file = Array.isArray(config.keys) ? undefined : config.keys?.file
  return file === undefined ? [] : readKeyFile(config, file, draft, reader)
}

/** Puts the list of a key file in the place of its name. */
function readKeyFile (config: SoundConfig, path: string, draft: Draft<SoundConfig>, reader: Reader): Problem[] {
  const content = reader.read(path)
  if (content.kind === 'unreadable') {
    draft.report('/keys/file', `names a file that cannot be read (${content.code})`)
    return []
  }
  // The name may come from the environment, and then it is not shown.
  const name = reader.show(path) === JSON.stringify(path) ? reader.resolve(path) : 'keys.file'
  const keys = readDraft<SoundKeys>('keys', name, content.text, reader)
  if (keys.sound !== undefined) checkKeys(keys.sound, '', keys)
  config.keys = keys.sound
  return keys.problems()
}
