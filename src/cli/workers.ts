/**
 * This file runs several processes on one port: a primary that takes connections and hands them out, and workers of which
 * each is a whole gateway. They share nothing but the store.
 */
import cluster, { type Worker } from 'node:cluster'
import { availableParallelism } from 'node:os'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../telemetry/log.ts'
import { type Ending, type EndSignal, exitCodeOf, logFault } from './ending.ts'
import type { Control } from './serve.ts'
import { createMetricsRelay } from './worker-metrics.ts'

/** What the primary asks of its workers; what it asks about metrics is in `worker-metrics.ts`. */
type Order = { readonly kind: 'reload' } | { readonly kind: 'end', readonly signal: EndSignal }

/** A worker that does not last is not replaced at once. */
const minBackOffMs = 1000
const maxBackOffMs = 30_000
/** What has served this long did not fail at its start. */
const lastingMs = 60_000

/** How many processes serve. */
export function workerCount ({ workers }: Config['server']): number {
  return workers === 'auto' ? availableParallelism() : workers
}

/** Whether this process is one of several, started by {@link superviseWorkers}. */
export function isWorker (): boolean {
  return cluster.isWorker
}

/** The number of this process among the workers; undefined when it is the only one. */
export function workerNumber (): number | undefined {
  return cluster.worker?.id
}

/** The log in which each line of a worker says whose it is. */
export function logOfWorker (log: Logger): Logger {
  const worker = workerNumber()
  return worker === undefined ? log : log.child({ worker })
}

/** What a worker is asked for: by its primary, since a terminal sends signals to all processes of a group alike. */
export function workerControl (): Control {
  const { worker } = cluster
  let onReload = (): void => {}
  const ended = new Promise<Ending>(resolve => {
    worker!.on('message', (order: Order) => {
      if (order.kind === 'reload') onReload()
      else if (order.kind === 'end') resolve({ kind: 'signal', signal: order.signal })
    })
  })
  return { ended, onReload (reload) { onReload = reload } }
}

/** Lets a worker end: until then the channel to its primary keeps it. */
export function leavePrimary (): void {
  cluster.worker?.disconnect()
}

/**
 * Starts workers, replaces those that are lost, and ends them when it is asked to.
 *
 * @returns the exit code: 0 after a drain, that of the first worker when it could not start, or 70 after an error that nobody
 *   expected
 */
export async function superviseWorkers (count: number, control: Control, log: Logger): Promise<number> {
  // The first one alone: what keeps it from listening keeps the others, too, and would be told by each.
  const first = cluster.fork()
  const failure = await startFailure(first)
  if (failure !== undefined) return failure
  const crew = createCrew(first, log)
  for (let size = 1; size < count; size++) crew.add()
  control.onReload(() => { crew.tell({ kind: 'reload' }) })
  const ending = await control.ended
  logFault(ending, log)
  await crew.end(ending.kind === 'signal' ? ending.signal : 'SIGINT')
  return exitCodeOf(ending)
}

function createCrew (first: Worker, log: Logger) {
  const workers = new Set<Worker>()
  const replacements = new Set<NodeJS.Timeout>()
  const relay = createMetricsRelay(log)
  let isEnding = false
  let losses = 0

  function enlist (worker: Worker): void {
    const startedAt = performance.now()
    workers.add(worker)
    worker.once('exit', (code, signal) => {
      workers.delete(worker)
      if (isEnding) return
      log.error({ event: 'worker-lost', pid: worker.process.pid, code, signal }, 'a worker ended by itself')
      log.flush()
      losses = performance.now() - startedAt > lastingMs ? 0 : losses + 1
      replaceAfter(Math.min(maxBackOffMs, minBackOffMs * 2 ** losses))
    })
  }

  function replaceAfter (ms: number): void {
    const timer = setTimeout(() => {
      replacements.delete(timer)
      add()
    }, ms)
    replacements.add(timer)
  }

  function add (): void {
    const worker = cluster.fork()
    enlist(worker)
    worker.once('listening', () => { relay.join(worker) })
  }

  function tell (order: Order): void {
    for (const worker of workers) if (worker.isConnected()) worker.send(order)
  }

  enlist(first)
  relay.join(first)
  return {
    add,
    tell,
    /** Resolves when the last worker is gone. */
    async end (signal: EndSignal): Promise<void> {
      isEnding = true
      for (const timer of replacements) clearTimeout(timer)
      tell({ kind: 'end', signal })
      await Promise.all([...workers].map(async worker => { await new Promise(resolve => { worker.once('exit', resolve) }) }))
    }
  }
}

/** @returns the exit code of a worker that ends before it listens */
async function startFailure (worker: Worker): Promise<number | undefined> {
  return await new Promise(resolve => {
    worker.once('listening', () => { resolve(undefined) })
    worker.once('exit', code => { resolve(code ?? 70) })
  })
}
