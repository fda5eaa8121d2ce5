/** This file follows the file names in a config: makes them absolute and looks whether the files can be used. */
import { caProblem, clientCertificateProblem } from './certificates.ts'
import type { Draft } from './draft.ts'
import { managementTokenProblem } from './management-token.ts'
import type { Reader } from './reader.ts'
import type { SoundConfig } from './sound.ts'

type FileSetting<K extends string> = { [key in K]?: string | undefined } | undefined

interface Reading {
  /** What is wrong with the content. */
  readonly check?: (text: string) => string | undefined
  /** Otherwise a change of the file asks for a new gateway. */
  readonly read?: Reader['look']
}

/**
 * Resolves every file setting in place, and reports the files that cannot be read.
 *
 * @param now - epoch milliseconds
 */
export function resolveFiles (config: SoundConfig, draft: Draft<SoundConfig>, reader: Reader, now: number): void {
  function resolve<K extends string> (owner: FileSetting<K>, key: K, pointer: string, reading: Reading = {}) {
    const { check, read = reader.read } = reading
    const path = owner?.[key]
    if (owner === undefined || path === undefined) return
    owner[key] = reader.resolve(path)
    const content = read(path)
    const problem = content.kind === 'text' ? check?.(content.text) : `names a file that cannot be read (${content.code})`
    if (problem !== undefined) draft.report(`${pointer}/${key}`, problem)
  }

  resolve(config.server?.management, 'tokenFile', '/server/management', { check: managementTokenProblem, read: reader.look })
  resolve(config.entra, 'caFile', '/entra', { check: caProblem })
  for (const [name, upstream] of Object.entries(config.upstreams ?? {})) resolve(upstream, 'caFile', `/upstreams/${name}`, { check: caProblem })

  // Passwords, tokens and assertions are read again for every use.
  const redis = config.store?.redis
  resolve(redis, 'passwordFile', '/store/redis', { read: reader.look })
  resolve(redis?.sentinelCredentials, 'passwordFile', '/store/redis/sentinelCredentials', { read: reader.look })
  resolve(redis?.tls, 'caFile', '/store/redis/tls', { check: caProblem })
  for (const key of ['certFile', 'keyFile'] as const) resolve(redis?.tls, key, '/store/redis/tls')
  for (const type of ['postgres', 'mysql'] as const) resolve(config.store?.[type]?.tls, 'caFile', `/store/${type}/tls`, { check: caProblem })
  // The database makes it.
  const sqlite = config.store?.sqlite
  if (sqlite?.file !== undefined) sqlite.file = reader.resolve(sqlite.file)

  config.entra?.clientCredentials?.forEach((credential, index) => {
    const pointer = `/entra/clientCredentials/${index}`
    if (credential?.sourceType === 'Path') resolve(credential, 'certificateDiskPath', pointer, { check: text => clientCertificateProblem(text, now) })
    if (credential?.sourceType === 'SignedAssertionFilePath') {
      credential.signedAssertionFileDiskPath ??= reader.variable('AZURE_FEDERATED_TOKEN_FILE')
      if (credential.signedAssertionFileDiskPath === undefined) {
        draft.report(pointer, 'needs signedAssertionFileDiskPath, or the variable AZURE_FEDERATED_TOKEN_FILE, which workload identity sets in a pod')
      }
      resolve(credential, 'signedAssertionFileDiskPath', pointer, { read: reader.look })
    }
  })
}
