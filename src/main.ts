#!/usr/bin/env node
/**
 * This file is the command line: arguments, environment and signals in, an exit code out. Nothing else touches `process`.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Ending } from './cli/ending.ts'
import type { Control } from './cli/serve.ts'
import { isWorker, leavePrimary, workerControl } from './cli/workers.ts'

const help = `scopegate <command> [--config FILE]

  serve    load the config and serve (the default command); SIGTERM drains, SIGHUP reloads
  check    print every problem of the config and its secrets; exit 1 if there is one
  explain METHOD URL   what would happen to a request, and why; explain --help says more
  schema   print the JSON Schema of the config
  keygen   print a new entry for the key ring
  sessions list USER, revoke USER or revoke --session ID: at a running gateway; sessions --help says more

The config is config/gateway.yaml unless --config or SCOPEGATE_CONFIG says otherwise.
LOG_LEVEL sets the log level: fatal, error, warn, info (the default), debug, trace or silent.
Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 cannot start, or cannot go on.
`

const { env, stdout: out, stderr: err } = process

type Command = (file: string) => Promise<number>

/** Each loads what it needs when it is its turn: most of the program is there to serve. */
const commands: Readonly<Record<string, Command>> = {
  async serve (file) {
    const control = isWorker() ? controlOfWorker() : processControl()
    const { serve } = await import('./cli/serve.ts')
    return await serve({ file, env, err, control })
  },
  async check (file) {
    const { check } = await import('./cli/check.ts')
    return check({ file, env, out, err })
  },
  async schema () {
    const { schema } = await import('./cli/schema.ts')
    return schema({ out })
  },
  async keygen () {
    const { keygen } = await import('./cli/keygen.ts')
    return keygen({ out, now: Date.now() })
  }
}

async function main (argv: readonly string[]): Promise<number> {
  if (argv[0] === 'sessions') {
    const { sessions } = await import('./cli/sessions.ts')
    return await sessions({ args: argv.slice(1), env, out, err })
  }
  if (argv[0] === 'explain') {
    const { explain } = await import('./cli/explain.ts')
    return await explain({ args: argv.slice(1), env, out, err })
  }
  const parsed = parse(argv)
  if (parsed === undefined) {
    err.write(help)
    return 2
  }
  if (parsed.values.help === true) {
    out.write(help)
    return 0
  }
  const [name = 'serve', ...rest] = parsed.positionals
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined || rest.length > 0) {
    err.write(`unknown command: ${[name, ...rest].join(' ')}\n\n${help}`)
    return 2
  }
  return await command(resolve(parsed.values.config ?? env.SCOPEGATE_CONFIG ?? 'config/gateway.yaml'))
}

function parse (argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } }
    })
  } catch {
    return undefined
  }
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
