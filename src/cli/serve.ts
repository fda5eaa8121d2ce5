/**
 * This file serves: it loads the config, listens, and drains on a signal.
 */
import { formatProblem, loadConfig } from '../config/load.ts'
import { buildGateway } from '../server/gateway.ts'
import { knownHosts } from '../server/hosts.ts'
import { createListener } from '../server/listener.ts'
import { createLog, logLevels } from '../telemetry/log.ts'
import type { Output } from './check.ts'

export interface ServeOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly err: Output
  /** Resolves when the process is asked to end. */
  readonly ended: Promise<string>
}

/** @returns the exit code: 0 after a drain, 1 when the config has problems, 2 for a wrong LOG_LEVEL, 70 when listening failed */
export async function serve ({ file, env, err, ended }: ServeOptions): Promise<number> {
  const level = env.LOG_LEVEL ?? 'info'
  if (!logLevels.includes(level)) {
    err.write(`LOG_LEVEL must be one of ${logLevels.join(', ')}\n`)
    return 2
  }
  const loaded = loadConfig({ file, env })
  if (loaded.kind === 'problems') {
    for (const problem of loaded.problems) err.write(`${formatProblem(problem)}\n`)
    return 1
  }
  const { config } = loaded
  const log = createLog(level)
  const gateway = await buildGateway(config, { log, now: Date.now })
  const listener = createListener(config.server, { isKnownHost: knownHosts(config), handle: gateway.handle, log })
  try {
    const { address, port } = await listener.listen()
    log.info({ event: 'listening', address, port, publicUrl: config.server.publicUrl }, 'listening')
    log.flush()
  } catch (error) {
    await gateway.close()
    err.write(`cannot listen on ${config.server.host}:${config.server.port}: ${(error as NodeJS.ErrnoException).code}\n`)
    return 70
  }
  const signal = await ended
  log.info({ event: 'draining', signal, seconds: config.server.limits.drainSeconds }, 'draining')
  await listener.close(config.server.limits.drainSeconds * 1000)
  await gateway.close()
  return 0
}
