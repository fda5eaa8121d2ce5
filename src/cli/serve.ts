/**
 * This file serves: it loads the config, listens, takes other configs into service, and drains on a signal.
 */
import { formatProblem, loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { buildGateway, type GatewayDeps } from '../server/gateway.ts'
import type { Drain } from '../server/listener.ts'
import { createReloader, type InService, type Reloader } from '../server/reload.ts'
import { createShared } from '../server/shared.ts'
import { createSockets, type Sockets } from '../server/sockets.ts'
import type { StoreDeps } from '../server/stores.ts'
import { createLog, type Logger, logLevels, standardOutput } from '../telemetry/log.ts'
import { createMetrics, noMetrics } from '../telemetry/metrics.ts'
import { openTraces } from '../telemetry/open-traces.ts'
import type { Output } from './check.ts'
import { type Ending, exitCodeOf, logFault } from './ending.ts'
import { metricsOfAll } from './worker-metrics.ts'
import { isWorker, logOfWorker, superviseWorkers, workerCount, workerNumber } from './workers.ts'

export interface ServeOptions {
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly err: Output
  readonly control: Control
}

/** What the process is asked for from outside. */
export interface Control {
  /** Resolves when it is asked to end. */
  readonly ended: Promise<Ending>
  /** Calls back each time it is asked to load its config again. */
  onReload (reload: () => void): void
}

/**
 * Serves in this process, or as many as `server.workers` says.
 *
 * @returns the exit code: 0 after a drain, 1 when the config has problems, 2 for a wrong LOG_LEVEL, 70 when listening failed and
 *   after an error that nobody expected
 */
export async function serve ({ file, env, err, control }: ServeOptions): Promise<number> {
  const level = env.LOG_LEVEL ?? 'info'
  if (!logLevels.includes(level)) {
    err.write(`LOG_LEVEL must be one of ${logLevels.join(', ')}\n`)
    return 2
  }
  const load = () => loadConfig({ file, env })
  const loaded = load()
  if (loaded.kind === 'problems') {
    for (const problem of loaded.problems) err.write(`${formatProblem(problem)}\n`)
    return 1
  }
  const { config, files } = loaded
  const workers = workerCount(config.server)
  if (workers > 1 && !isWorker()) return await superviseWorkers(workers, control, createLog(level, standardOutput(true)))
  const state = { isDraining: false }
  const deps = await createDeps(config, { level, env, isDraining: () => state.isDraining })
  const gateway = await buildGateway(config, deps)
  const sockets = createSockets(config.server, gateway, deps.log)
  if (!await listens(sockets, config, { err, log: deps.log })) {
    await Promise.all([sockets.drain({ serveOnMs: 0, drainMs: 0 }), sockets.close()])
    await gateway.close()
    await deps.traces.close()
    return 70
  }
  const reloader = reloads({ config, files, gateway }, sockets, { load, deps, control })
  const ending = await control.ended
  state.isDraining = true
  logFault(ending, deps.log)
  const drain = drainOf(config, ending)
  deps.log.info({ event: 'draining', signal: ending.kind === 'signal' ? ending.signal : undefined, ...drain }, 'draining')
  deps.log.flush()
  await sockets.drain(drain)
  await reloader.close()
  await deps.traces.close()
  await sockets.close()
  return exitCodeOf(ending)
}

interface Surroundings extends Pick<ServeOptions, 'env'>, Pick<GatewayDeps, 'isDraining'> {
  readonly level: string
}

async function createDeps ({ server }: Config, { level, env, isDraining }: Surroundings): Promise<GatewayDeps> {
  const log = logOfWorker(createLog(level, standardOutput(isWorker())))
  const now = Date.now
  // Where they cannot be asked for, nothing is counted.
  const own = server.management === undefined ? noMetrics : await createMetrics(workerNumber())
  const metrics = isWorker() ? metricsOfAll(own, log) : own
  const onCheck: StoreDeps['onCheck'] = (outcome, seconds) => { metrics.storeOperation('check', outcome, seconds) }
  return { log, now, isDraining, shared: createShared({ log, now, onCheck }), metrics, traces: await openTraces(env, log) }
}

async function listens (sockets: Sockets, { server }: Config, { err, log }: { err: Output, log: Logger }): Promise<boolean> {
  try {
    const { address, port, managementPort } = await sockets.listen()
    log.info({ event: 'listening', address, port, management: managementPort, publicUrl: server.publicUrl }, 'listening')
    log.flush()
    return true
  } catch (error) {
    err.write(`${(error as Error).message}\n`)
    return false
  }
}

interface Reloading {
  readonly load: () => ReturnType<typeof loadConfig>
  readonly deps: GatewayDeps
  readonly control: Control
}

function reloads (first: InService, sockets: Sockets, { load, deps, control }: Reloading): Reloader {
  const reloader = createReloader(first, {
    load,
    build: async config => await buildGateway(config, deps),
    onServe: sockets.serve,
    onOutcome: deps.metrics.configReload,
    log: deps.log
  })
  control.onReload(reloader.reload)
  return reloader
}

/** Only an orchestrator's word leaves time for requests to come: after a fault nothing new is begun. */
function drainOf ({ server: { limits } }: Config, ending: Ending): Drain {
  const isAnnounced = ending.kind === 'signal' && ending.signal === 'SIGTERM'
  return { serveOnMs: isAnnounced ? limits.drainDelaySeconds * 1000 : 0, drainMs: limits.drainSeconds * 1000 }
}
