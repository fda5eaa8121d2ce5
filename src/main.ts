#!/usr/bin/env node
/**
 * This file is the command line: arguments, environment and signals in, an exit code out. Nothing else touches `process`.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { check } from './cli/check.ts'
import { schema } from './cli/schema.ts'
import { serve } from './cli/serve.ts'

const help = `scopegate <command> [--config FILE]

  serve    load the config and serve (the default command); SIGTERM drains
  check    print every problem of the config and its secrets; exit 1 if there is one
  schema   print the JSON Schema of the config

The config is config/gateway.yaml unless --config or SCOPEGATE_CONFIG says otherwise.
LOG_LEVEL sets the log level: fatal, error, warn, info (the default), debug or trace.
Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 cannot start.
`

const { env, stdout: out, stderr: err } = process

type Command = (file: string) => number | Promise<number>

const commands: Readonly<Record<string, Command>> = {
  serve: async file => await serve({ file, env, err, ended: endOfService() }),
  check: file => check({ file, env, out, err }),
  schema: () => schema({ out })
}

async function main (argv: readonly string[]): Promise<number> {
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

/** The first signal drains; a second one, of either kind, does not wait for that. */
async function endOfService (): Promise<string> {
  return await new Promise(resolve => {
    let isEnding = false
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isEnding) process.exit(70)
        isEnding = true
        resolve(signal)
      })
    }
  })
}

main(process.argv.slice(2)).then(
  code => { process.exitCode = code },
  error => {
    err.write(`scopegate cannot start: ${error instanceof Error ? error.stack : String(error)}\n`)
    process.exitCode = 70
  }
)
