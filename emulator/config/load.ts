/** This file reads a configuration file and the files it names. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { checkConfig } from './check.ts'
import type { AppConfig, EmulatorConfig, TenantConfig } from './shape.ts'

/** Beside the source, also when the compiled file runs from `dist/emulator/config`. */
const DEFAULT_FILES = ['../emulator.yaml', '../../../emulator/emulator.yaml']

export function loadDefaultConfig (): EmulatorConfig {
  const candidates = DEFAULT_FILES.map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const file = candidates.find((candidate) => existsSync(candidate))
  if (file === undefined) throw new Error(`no emulator.yaml at ${candidates.join(' or ')}`)
  return loadConfig(file)
}

/**
 * Reads YAML, or JSON, which YAML includes.
 *
 * @throws Error when the file does not exist, is not YAML, or does not have the right shape
 */
export function loadConfig (file: string): EmulatorConfig {
  const config = checkConfig(parse(readFileSync(file, 'utf8')))
  const folder = dirname(resolve(file))
  const readFilesOf = (tenant: TenantConfig) => ({ ...tenant, apps: (tenant.apps ?? []).map((app) => readFiles(app, folder)) })
  return { ...config, tenants: config.tenants.map(readFilesOf) }
}

/** Certificates and key sets may be paths, relative to the config file. */
function readFiles (app: AppConfig, folder: string): AppConfig {
  const read = (path: string) => readFileSync(resolve(folder, path), 'utf8')
  return {
    ...app,
    certificates: (app.certificates ?? []).map(({ pem }) => ({ pem: pem.includes('-----BEGIN') ? pem : read(pem) })),
    federated: (app.federated ?? []).map((credential) => ({
      ...credential,
      jwks: typeof credential.jwks === 'string' ? JSON.parse(read(credential.jwks)) as { keys: [] } : credential.jwks
    }))
  }
}
