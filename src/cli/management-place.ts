/** This file finds out where the management listener of a running gateway is, and what its token is. */
import { readFileSync } from 'node:fs'
import { formatProblem, loadConfig } from '../config/load.ts'
import { managementTokenProblem, parseManagementToken } from '../config/management-token.ts'
import type { Config } from '../config/schema.ts'

export interface PlaceOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Named on the command line: what is, is not looked for in the config. */
  readonly url: string | undefined
  readonly tokenFile: string | undefined
}

/** A listener, and the token for it. */
export interface Place {
  readonly kind: 'place'
  readonly origin: string
  readonly token: string
  readonly tokenFile: string
}

/** Where to ask and with what, or the lines that say what to mend. */
export type Found =
  | Place
  | { readonly kind: 'problems', readonly lines: readonly string[] }

/** Loads the config only when the command line leaves something open. No line contains a secret. */
export function findPlace ({ file, env, url, tokenFile }: PlaceOptions): Found {
  if (url !== undefined && tokenFile !== undefined) return readToken(url, tokenFile)
  const loaded = loadConfig({ file, env })
  if (loaded.kind === 'problems') {
    return problems(...loaded.problems.map(formatProblem), 'Where the config is not at hand, --url and --token-file name the gateway')
  }
  const { management } = loaded.config.server
  if (management === undefined) return problems(`${file} has no server.management: add it, with a tokenFile, and restart the gateway`)
  const origin = url ?? originOf(management)
  if (origin === undefined) return problems('server.management.port is 0: give the address in the line "listening" of the log as --url')
  const path = tokenFile ?? management.tokenFile
  if (path === undefined) return problems('server.management has no tokenFile, and without it a gateway has no /sessions: add it')
  return readToken(origin, path)
}

function problems (...lines: readonly string[]): Found {
  return { kind: 'problems', lines }
}

function readToken (url: string, tokenFile: string): Found {
  try {
    const text = readFileSync(tokenFile, 'utf8')
    const token = parseManagementToken(text)
    if (token === undefined) return problems(`${tokenFile} ${managementTokenProblem(text)}`)
    return { kind: 'place', origin: url, token, tokenFile }
  } catch (error) {
    return problems(`${tokenFile} cannot be read (${(error as NodeJS.ErrnoException).code}): whoever runs this needs the token`)
  }
}

/** A wildcard address is one to listen on, not one to go to. */
function originOf ({ host, port }: NonNullable<Config['server']['management']>): string | undefined {
  if (port === 0) return undefined
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}
