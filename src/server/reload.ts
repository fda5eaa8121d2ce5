/**
 * This file puts another config into service: a gateway is built from it, takes over the listener in one assignment, and
 * the one before ends with its last request. A config that cannot serve changes nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { formatProblem, type Loaded } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Gateway } from './gateway.ts'
import { watchFiles } from './watch.ts'

export interface Reloader {
  /** Loads the config again, whether or not a file has changed. */
  reload (): void
  /** The gateway in service. */
  current (): Gateway
  /** Takes no further config, and ends all gateways. Their requests must be over, or be about to be. */
  close (): Promise<void>
}

export interface ReloaderOptions {
  readonly load: () => Loaded
  readonly build: (config: Config) => Promise<Gateway>
  /** Told of a gateway that takes over. */
  readonly onServe: (gateway: Gateway) => void
  /** Told what came of a config that was to take over. */
  readonly onOutcome: Metrics['configReload']
  readonly log: Logger
}

/** A config in service. */
export interface InService {
  readonly config: Config
  readonly files: ReadonlyMap<string, string>
  readonly gateway: Gateway
}

/** A mounted secret reaches a pod within a minute; a second more does not matter. */
const lookEveryMs = 1000
/** How long a gateway may take to reach provider and store before the one in service stays. */
const readyWithinMs = 10_000
const retryMs = 10_000
const readyPollMs = 20

export function createReloader (first: InService, { load, build, onServe, onOutcome, log }: ReloaderOptions): Reloader {
  let inService = first
  let wanted = false
  let running: Promise<void> | undefined
  let retry: NodeJS.Timeout | undefined
  const state = { isClosed: false }
  const ending = new Set<Promise<void>>()
  const watch = watchFiles(lookEveryMs, reload)
  watch.expect(first.files)

  function reload (): void {
    wanted = true
    running ??= run().finally(() => { running = undefined })
  }

  async function run (): Promise<void> {
    while (wanted && !state.isClosed) {
      wanted = false
      clearTimeout(retry)
      await replace().catch((err: unknown) => { tellRefusal({ err }, 'the new config could not be put into service') })
    }
  }

  function tellRefusal (why: object, text: string): void {
    onOutcome('refused')
    log.error({ ...why, event: 'config-refused', audit: true }, text)
  }

  async function replace (): Promise<void> {
    const loaded = load()
    watch.expect(loaded.files)
    if (loaded.kind === 'problems') {
      tellRefusal({ problems: loaded.problems.map(formatProblem) }, 'the new config has problems; the old one stays')
      return
    }
    const { config, files } = loaded
    const gateway = await build(config)
    if (await isAsReady(gateway)) takeOver({ config, files, gateway })
    else await refuse(gateway)
  }

  /** A gateway that takes over before it has reached provider and store would refuse what the old one can serve. */
  async function isAsReady (next: Gateway): Promise<boolean> {
    const endsAt = performance.now() + readyWithinMs
    while (inService.gateway.isReady() && !next.isReady()) {
      if (state.isClosed || performance.now() > endsAt) return false
      await delay(readyPollMs)
    }
    return !state.isClosed
  }

  function takeOver (next: InService): void {
    const old = inService
    inService = next
    onServe(next.gateway)
    end(old.gateway)
    onOutcome('ok')
    log.info({ event: 'config-reloaded', audit: true }, 'another config is in service')
    const fixed = fixedSettings.filter(name => !isDeepStrictEqual(old.config.server[name], next.config.server[name]))
    if (fixed.length > 0) log.warn({ event: 'restart-needed', settings: fixed.map(name => `server.${name}`) }, 'some settings change at a restart only')
  }

  async function refuse (gateway: Gateway): Promise<void> {
    await gateway.close()
    if (state.isClosed) return
    tellRefusal({ retryMs }, 'with the new config provider or store are not reached; the old one stays')
    retry = setTimeout(reload, retryMs)
    retry.unref()
  }

  function end (gateway: Gateway): void {
    const ended = gateway.close()
      .catch((err: unknown) => { log.warn({ err }, 'a gateway did not end well') })
      .finally(() => { ending.delete(ended) })
    ending.add(ended)
  }

  return {
    reload,
    current: () => inService.gateway,
    async close () {
      state.isClosed = true
      watch.close()
      clearTimeout(retry)
      await running
      end(inService.gateway)
      await Promise.all(ending)
    }
  }
}

/** What the sockets were opened with. */
const fixedSettings = ['host', 'port', 'workers', 'limits', 'management'] as const
