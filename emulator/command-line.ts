/** This file is the command line of the emulator: its options, and what they mean. */
import { parseArgs } from 'node:util'

export const HELP = `Imitates Microsoft Entra ID on this machine.

npm run emulator -- [options]

  --config FILE        directory and settings (default: emulator/emulator.yaml)
  --port N             port (default: the one of the config's origin)
  --host NAME          address to listen on (default: localhost)
  --allow-remote       lets --host be an address that other machines reach
  --admin              opens the admin API at /_emulator
  --admin-token TOKEN  what the admin API wants as a bearer token
  --microsoft-issuer   lets issuerMode: microsoft be used
  --tls-folder DIR     where CA and certificate are kept (default: emulator/.tls)
  --help               this text
`

const OPTIONS = {
  config: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  'allow-remote': { type: 'boolean' },
  admin: { type: 'boolean' },
  'admin-token': { type: 'string' },
  'microsoft-issuer': { type: 'boolean' },
  'tls-folder': { type: 'string' },
  help: { type: 'boolean' }
} as const

export interface CommandLine {
  readonly help: boolean
  readonly config: string | undefined
  readonly port: number | undefined
  readonly host: string
  readonly allowRemote: boolean
  readonly admin: boolean
  readonly adminToken: string | undefined
  readonly allowMicrosoftIssuer: boolean
  readonly tlsFolder: string | undefined
}

/** Wrong usage; everything else that goes wrong is another error. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** @throws UsageError unknown options, a missing value, a port that is none */
export function parseCommandLine (args: readonly string[]): CommandLine {
  const values = parse(args)
  const port = values.port === undefined ? undefined : Number(values.port)
  const isPort = port === undefined || (Number.isInteger(port) && port >= 0 && port < 65_536)
  if (!isPort) throw new UsageError(`--port ${values.port}: a number from 0 to 65535 expected`)
  return {
    help: values.help ?? false,
    config: values.config,
    port,
    host: values.host ?? 'localhost',
    allowRemote: values['allow-remote'] ?? false,
    admin: values.admin ?? false,
    adminToken: values['admin-token'],
    allowMicrosoftIssuer: values['microsoft-issuer'] ?? false,
    tlsFolder: values['tls-folder']
  }
}

function parse (args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'wrong usage', { cause })
  }
}
