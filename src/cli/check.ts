/** This file is `scopegate check`: every problem of a config and of the files it names, and on request of what it reaches. */
import { compileConfig } from '../config/compile.ts'
import { formatProblem, loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { configFile, readArguments } from './arguments.ts'
import type { Finding } from './online/finding.ts'
import { lookAround } from './online/look.ts'

const help = `scopegate check

Prints every problem of the config and its secrets, as file:line:column message. Nothing listens.

  --online       also reaches what a gateway with this config would: the identity provider's metadata and signing keys,
                 and whether it takes the credential; the store, with a record that is written, read and deleted, and a
                 message; and each upstream, with HEAD. A line for each, with what to mend. No user's token is sent
  --json         for programs
  --config FILE  the gateway's config

Exit codes: 0 fine, 1 problems found, 2 wrong usage.
`

/** Where a command writes. */
export interface Output {
  write (text: string): unknown
}

export interface CheckOptions {
  /** What follows `check`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: Output
  readonly err: Output
  /** How long each target may take. */
  readonly deadlineMs?: number
}

const defaultDeadlineMs = 9000

/** @returns the exit code: 0 when the gateway could start with this config and reach everything, 1 when not, 2 for wrong usage */
export async function check ({ args, env, out, err, deadlineMs = defaultDeadlineMs }: CheckOptions): Promise<number> {
  const read = readArguments(args, { config: { type: 'string' }, online: { type: 'boolean' }, json: { type: 'boolean' } })
  if (read.kind === 'wrong' || (read.values.help !== true && read.positionals.length > 0)) {
    err.write(`${read.kind === 'wrong' ? read.why : `check takes no ${read.positionals[0]}`}\n\n${help}`)
    return 2
  }
  const { config: named, online = false, json = false, help: isHelp } = read.values
  if (isHelp === true) {
    out.write(help)
    return 0
  }
  const file = configFile(named, env)
  const loaded = loadConfig({ file, env })
  const problems = loaded.kind === 'problems' ? loaded.problems : []
  const targets = loaded.kind === 'config' && online ? await lookAround(loaded.config, deadlineMs) : []
  if (json) out.write(`${JSON.stringify({ file, problems, ...online && { targets } })}\n`)
  else {
    for (const problem of problems) err.write(`${formatProblem(problem)}\n`)
    if (problems.length > 0) err.write(`${counted(problems.length, 'problem')}\n`)
    if (loaded.kind === 'config') out.write(`${file} is fine: ${summaryOf(loaded.config)}\n`)
    tell(targets, { out, err })
  }
  return problems.length > 0 || targets.some(({ outcome }) => outcome === 'failed') ? 1 : 0
}

function summaryOf (config: Config): string {
  const { routes, scopeSets } = compileConfig(config)
  const upstreams = Object.keys(config.upstreams)
  return [counted(routes.length, 'route'), counted(upstreams.length, 'upstream'), counted(scopeSets.length, 'scope set')].join(', ')
}

function tell (targets: readonly Finding[], { out, err }: Pick<CheckOptions, 'out' | 'err'>): void {
  for (const { target, outcome, text } of targets) (outcome === 'ok' ? out : err).write(`${outcome.padEnd(7)}  ${target}: ${text}\n`)
  const failures = targets.filter(({ outcome }) => outcome === 'failed')
  if (failures.length > 0) err.write(`${counted(failures.length, 'target')} failed\n`)
}

function counted (count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
