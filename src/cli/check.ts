/** This file is `scopegate check`: every problem of a config and of the files it names, without listening. */
import { compileConfig } from '../config/compile.ts'
import { formatProblem, loadConfig } from '../config/load.ts'

/** Where a command writes. */
export interface Output {
  write (text: string): unknown
}

export interface CheckOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: Output
  readonly err: Output
}

/**
 * Prints one problem a line, as `file:line:column message`, or a line that says what the config holds.
 *
 * @returns the exit code: 0 when the gateway could start with this config, 1 when not
 */
export function check ({ file, env, out, err }: CheckOptions): number {
  const loaded = loadConfig({ file, env })
  if (loaded.kind === 'problems') {
    for (const problem of loaded.problems) err.write(`${formatProblem(problem)}\n`)
    err.write(`${counted(loaded.problems.length, 'problem')}\n`)
    return 1
  }
  const { routes, scopeSets } = compileConfig(loaded.config)
  const upstreams = Object.keys(loaded.config.upstreams)
  const counts = [counted(routes.length, 'route'), counted(upstreams.length, 'upstream'), counted(scopeSets.length, 'scope set')]
  out.write(`${file} is fine: ${counts.join(', ')}\n`)
  return 0
}

function counted (count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
