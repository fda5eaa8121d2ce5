#!/usr/bin/env node
/**
 * This file is the command line: arguments, environment and signals in, an exit code out. Nothing else touches `process`.
 */
import { configFile, divide, readArguments } from './cli/arguments.ts'
import type { Ending } from './cli/ending.ts'
import type { Control } from './cli/serve.ts'
import { isWorker, leavePrimary, workerControl } from './cli/workers.ts'

const help = `scopegate <command> [--config FILE]

  serve    load the config and serve (the default command); SIGTERM drains, SIGHUP reloads
  check    print every problem of the config and its secrets, with --online also of what it reaches; check --help says more
  explain METHOD URL   what would happen to a request, and why; explain --help says more
  schema   print the JSON Schema of the config
  keygen   print a new entry for the key ring
  sessions list USER, revoke USER or revoke --session ID: at a running gateway; sessions --help says more

The config is config/gateway.yaml unless --config or SCOPEGATE_CONFIG says otherwise.
LOG_LEVEL sets the log level: fatal, error, warn, info (the default), debug, trace or silent.
Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 cannot start, or cannot go on.
`

const { env, stdout: out, stderr: err } = process

type Command = (args: readonly string[]) => Promise<number>

const lingerMs = 1000

/** Each loads what it needs when it is its turn: most of the program is there to serve. */
const commands: Readonly<Record<string, Command>> = {
  serve: plain('serve', async file => {
    const control = isWorker() ? controlOfWorker() : processControl()
    const { serve } = await import('./cli/serve.ts')
    const code = await serve({ file, env, err, control })
    // All is said and done. A collector of traces that does not answer would hold the process for minutes.
    setTimeout(() => { process.exit() }, lingerMs).unref()
    return code
  }),
  async check (args) {
    const { check } = await import('./cli/check.ts')
    return await check({ args, env, out, err })
  },
  async explain (args) {
    const { explain } = await import('./cli/explain.ts')
    return await explain({ args, env, out, err })
  },
  schema: plain('schema', async () => {
    const { schema } = await import('./cli/schema.ts')
    return schema({ out })
  }),
  keygen: plain('keygen', async () => {
    const { keygen } = await import('./cli/keygen.ts')
    return keygen({ out, now: Date.now() })
  }),
  async sessions (args) {
    const { sessions } = await import('./cli/sessions.ts')
    return await sessions({ args, env, out, err })
  }
}

async function main (argv: readonly string[]): Promise<number> {
  const { name, args } = divide(argv, 'serve')
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  return command === undefined ? wrongUsage(`there is no command ${name}`) : await command(args)
}

/** A command that knows no options but the config and `--help`. */
function plain (name: string, run: (file: string) => Promise<number>): Command {
  return async args => {
    const read = readArguments(args, { config: { type: 'string' } })
    if (read.kind === 'wrong') return wrongUsage(read.why)
    if (read.values.help === true) {
      out.write(help)
      return 0
    }
    const [surplus] = read.positionals
    return surplus === undefined ? await run(configFile(read.values.config, env)) : wrongUsage(`${name} takes no ${surplus}`)
  }
}

function wrongUsage (why: string): number {
  err.write(`${why}\n\n${help}`)
  return 2
}

/** Signals are the primary's: at a terminal they reach every process of the group. */
function controlOfWorker (): Control {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const control = workerControl()
  return { ...control, ended: Promise.race([control.ended, fault()]) }
}

function processControl (): Control {
  let onReload = (): void => {}
  // From the start: by default the signal ends the process.
  process.on('SIGHUP', () => { onReload() })
  return { ended: Promise.race([endOfService(), fault()]), onReload (reload) { onReload = reload } }
}

/** The first signal drains; a second one, of either kind, does not wait for that. */
async function endOfService (): Promise<Ending> {
  return await new Promise(resolve => {
    let isEnding = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isEnding) process.exit(70)
        isEnding = true
        resolve({ kind: 'signal', signal })
      })
    }
  })
}

/** Resolves with an error that nobody caught, or a rejection that nobody handled. A second one ends the process at once. */
async function fault (): Promise<Ending> {
  return await new Promise(resolve => {
    let isEnding = false
    process.on('uncaughtException', error => {
      if (isEnding) process.exit(70)
      isEnding = true
      resolve({ kind: 'fault', error })
    })
  })
}

main(process.argv.slice(2)).then(
  code => {
    process.exitCode = code
    leavePrimary()
  },
  error => {
    err.write(`scopegate cannot start: ${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 70
  }
)
