/** This file runs the emulator from the command line: start, greeting, end, exit code. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HELP, parseCommandLine, UsageError, type CommandLine } from './command-line.ts'
import { loadConfig, loadDefaultConfig } from './config/load.ts'
import { greeting } from './greeting.ts'
import { startEmulator } from './start.ts'

try {
  const commandLine = parseCommandLine(process.argv.slice(2))
  if (commandLine.help) console.log(HELP)
  else await run(commandLine)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof UsageError ? 2 : 1
}

async function run (commandLine: CommandLine): Promise<void> {
  const config = commandLine.config === undefined ? loadDefaultConfig() : loadConfig(commandLine.config)
  const emulator = await startEmulator({
    ...commandLine,
    config,
    port: commandLine.port ?? Number(new URL(config.origin ?? 'https://localhost:8443').port || 443),
    tlsFolder: commandLine.tlsFolder ?? defaultTlsFolder()
  })
  console.log(greeting(emulator, { isAdminOpen: commandLine.admin }))
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await emulator.close()
}

/** In the source folder, also when the compiled file runs from `dist/emulator`: a rebuild keeps the CA. */
function defaultTlsFolder (): string {
  const [source, compiled] = ['./emulator.yaml', '../../emulator/emulator.yaml'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const file = existsSync(source!) ? source! : compiled!
  return file.replace(/emulator\.yaml$/, '.tls')
}
