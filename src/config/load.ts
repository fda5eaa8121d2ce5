/** This file loads a config: read, substituted, checked, resolved and frozen; or else every problem it has. */
import { readFileSync } from 'node:fs'
import { readDraft, type Draft } from './draft.ts'
import { readEnvironment } from './environment.ts'
import { resolveFiles } from './files.ts'
import { deepFreeze } from './freeze.ts'
import { formatProblem, type Problem } from './problems.ts'
import { createReader, type Reader } from './reader.ts'
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
  /** Whether an optional package is installed. */
  readonly hasPackage?: (name: string) => boolean
}

export type Loaded = (
  | { readonly kind: 'config', readonly config: Config }
  | { readonly kind: 'problems', readonly problems: readonly Problem[] }
) & {
  /**
   * The config and the files it refers to, but those that are read again for every use. By absolute path, a digest of what
   * was there.
   */
  readonly files: ReadonlyMap<string, string>
}

/**
 * Loads a config with everything it refers to. Never throws; coerces nothing; problems contain no secret and no
 * substituted value.
 */
export function loadConfig (options: LoadOptions): Loaded {
  const { file, env, readFile = path => readFileSync(path, 'utf8') } = options
  const reader = createReader({ file, env, readFile })
  const content = reader.read(file)
  const { files } = reader
  if (content.kind === 'unreadable') {
    return { kind: 'problems', files, problems: [{ file, line: 1, column: 1, path: '', message: `cannot be read (${content.code})` }] }
  }
  const draft = readDraft<SoundConfig>('config', file, content.text, reader)
  const environment = readEnvironment(reader, draft.report)
  const problemsElsewhere = draft.sound === undefined ? [] : complete(draft.sound, draft, reader, options)
  const problems = [...draft.problems(), ...problemsElsewhere]
  if (problems.length > 0) return { kind: 'problems', problems, files }
  return { kind: 'config', config: deepFreeze({ ...draft.sound, environment } as unknown as Config), files }
}

function isInstalled (name: string): boolean {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}

/** Brings in the files and applies the rules. Returns the problems of the key file. */
function complete (config: SoundConfig, draft: Draft<SoundConfig>, reader: Reader, options: LoadOptions): Problem[] {
  const { now = Date.now(), hasPackage = isInstalled } = options
  resolveFiles(config, draft, reader, now)
  checkRules(config, { report: draft.report, lineOf: draft.lineOf, show: reader.show, hasPackage })
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
