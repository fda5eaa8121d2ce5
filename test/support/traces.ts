/** This file opens traces that go to a collector of a test, as a process would whose environment names it. */
import { Writable } from 'node:stream'
import type { Test } from 'tap'
import { createLog } from '../../src/telemetry/log.ts'
import { openTraces } from '../../src/telemetry/open-traces.ts'
import type { Traces } from '../../src/telemetry/traces.ts'
import type { Collector } from './collector.ts'

/** Spans are sent a moment after they end. */
export async function tracesTo (t: Test, { endpoint }: Collector, env: Readonly<Record<string, string>> = {}): Promise<Traces> {
  const wanted = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '20', ...env }
  // OpenTelemetry's packages read the environment of the process, once.
  Object.assign(process.env, wanted)
  const traces = await openTraces(process.env, createLog('silent', new Writable()))
  for (const name of Object.keys(wanted)) delete process.env[name]
  t.teardown(async () => { await traces.close() })
  return traces
}
