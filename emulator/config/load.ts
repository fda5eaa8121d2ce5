/** This file reads a configuration file and resolves the files it names. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import type { EmulatorConfig } from './shape.ts'

/** Beside the source, also when the compiled file runs from `dist/emulator/config`. */
const DEFAULT_FILES = ['../emulator.yaml', '../../../emulator/emulator.yaml']

export function loadDefaultConfig (): EmulatorConfig {
  const candidates = DEFAULT_FILES.map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const file = candidates.find((candidate) => existsSync(candidate))
  if (file === undefined) throw new Error(`no emulator.yaml at ${candidates.join(' or ')}`)
  return loadConfig(file)
}

/** YAML or JSON, which YAML includes. */
export function loadConfig (file: string): EmulatorConfig {
  return parse(readFileSync(file, 'utf8')) as EmulatorConfig
}
