/** This file is the command line of the emulator: options, what it prints, and its end. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadConfig, loadDefaultConfig } from './config/load.ts'
import { greeting } from './greeting.ts'
import { startEmulator } from './start.ts'

const HELP = `Imitates Microsoft Entra ID on this machine.

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

try {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help === true) console.log(HELP)
  else await run(values)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = isUsageError(error) ? 2 : 1
}

function isUsageError (error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

async function run (values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']): Promise<void> {
  const config = values.config === undefined ? loadDefaultConfig() : loadConfig(values.config)
  const configuredPort = Number(new URL(config.origin ?? 'https://localhost:8443').port || 443)
  const emulator = await startEmulator({
    config,
    port: values.port === undefined ? configuredPort : Number(values.port),
    ...(values.host === undefined ? {} : { host: values.host }),
    allowRemote: values['allow-remote'] ?? false,
    admin: values.admin ?? false,
    ...(values['admin-token'] === undefined ? {} : { adminToken: values['admin-token'] }),
    allowMicrosoftIssuer: values['microsoft-issuer'] ?? false,
    tlsFolder: values['tls-folder'] ?? defaultTlsFolder()
  })
  console.log(greeting(emulator, { isAdminOpen: values.admin ?? false }))
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await emulator.close()
}

/** In the source folder, also when the compiled file runs from `dist/emulator`: a rebuild keeps the CA. */
function defaultTlsFolder (): string {
  const [source, compiled] = ['./emulator.yaml', '../../emulator/emulator.yaml'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const file = existsSync(source!) ? source! : compiled!
  return file.replace(/emulator\.yaml$/, '.tls')
}
