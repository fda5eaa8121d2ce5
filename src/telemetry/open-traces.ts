/** This file opens traces where the environment wants them; nothing of OpenTelemetry is loaded otherwise. */
import type { Logger } from './log.ts'
import { type Env, readTraceSettings } from './trace-settings.ts'
import { noTraces, type Traces } from './traces.ts'

/** Never fails: traces that cannot be had are told, and nobody is served the worse for it. */
export async function openTraces (env: Env, log: Logger): Promise<Traces> {
  const settings = readTraceSettings(env)
  if (settings.kind === 'refused') log.warn({ event: 'tracing-off', why: settings.why }, 'there are no traces')
  if (settings.kind !== 'on') return noTraces
  const { createTraces } = await import('./otel-traces.ts')
  log.info({ event: 'tracing', collector: settings.collector }, 'traces are sent')
  return createTraces(log)
}
