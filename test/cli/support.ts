/** This file runs `scopegate check --online` in this process, over real sockets. */
import type { Test } from 'tap'
import { check } from '../../src/cli/check.ts'
import type { Finding } from '../../src/cli/online/finding.ts'
import { configOf, type GatewayParts } from '../support/gateway.ts'
import { writeConfig } from '../support/process.ts'
import { startUpstream } from '../support/upstream.ts'

export interface Looked {
  readonly code: number
  /** By the first words of the target, such as `upstream app`. */
  finding (target: string): Finding
  readonly targets: readonly Finding[]
}

/** Of what the test does not look at there is nothing, or something good. */
export async function lookOnline (
  t: Test, parts: Partial<GatewayParts> & { keys?: unknown }, deadlineMs?: number
): Promise<Looked> {
  const { upstreams = { good: { url: (await startUpstream(t)).origin } } } = parts
  const routes = Object.keys(upstreams).map(name => ({ path: `/${name}/*`, upstream: name }))
  const file = writeConfig(t, configOf({ ...parts, upstreams, routes } as GatewayParts, 8080))
  let out = ''
  let err = ''
  const code = await check({
    args: ['--online', '--json', '--config', file],
    env: {},
    out: { write: text => { out += text } },
    err: { write: text => { err += text } },
    ...deadlineMs !== undefined && { deadlineMs }
  })
  const { problems, targets } = JSON.parse(out) as { problems: readonly unknown[], targets: readonly Finding[] }
  if (problems.length > 0 || err !== '') throw new Error(JSON.stringify(problems) + err)
  return {
    code,
    targets,
    finding (target) {
      const found = targets.filter(one => one.target.startsWith(target))
      if (found.length !== 1) throw new Error(`${found.length} findings for ${target} in ${JSON.stringify(targets)}`)
      return found[0]!
    }
  }
}
