/** This file reads the arguments of a command. */
import { resolve } from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

const help = { type: 'boolean', short: 'h' } as const

/** What was written, or what is wrong with it. Every command knows `--help`. */
export function readArguments<const O extends Options> (args: readonly string[], options: O) {
  try {
    const parsed = parseArgs({ args: [...args], allowPositionals: true, options: { ...options, help } })
    return { kind: 'arguments' as const, ...parsed }
  } catch (error) {
    return { kind: 'wrong' as const, why: firstSentence(error as Error) }
  }
}

/** What follows it are hints for those who write programs. */
function firstSentence ({ message }: Error): string {
  return message.split('. ', 1)[0]!
}

/** The config that is meant, as an absolute path. */
export function configFile (named: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  return resolve(named ?? env.SCOPEGATE_CONFIG ?? 'config/gateway.yaml')
}

/**
 * Finds the command, wherever it stands among options.
 *
 * @param usual - the command when none is named
 */
export function divide (argv: readonly string[], usual: string): { readonly name: string, readonly args: readonly string[] } {
  const { tokens } = parseArgs({ args: [...argv], strict: false, tokens: true, options: { config: { type: 'string' } } })
  const first = tokens.find(({ kind }) => kind === 'positional')
  if (first?.kind !== 'positional') return { name: usual, args: argv }
  return { name: first.value, args: argv.filter((_one, index) => index !== first.index) }
}
