/**
 * This file sends spans to a collector, over OTLP (HTTP, protobuf), and tells once when they do not arrive. It is loaded
 * only where traces are wanted.
 */
import { detectResources, envDetector, resourceFromAttributes, serviceInstanceIdDetector } from '@opentelemetry/resources'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { Tracer } from '@opentelemetry/api'
import type { Logger } from './log.ts'

export interface SpanExport {
  readonly tracer: Tracer
  /** Sends what there is, and no more after that; gives up on a collector that takes longer than a few seconds. */
  close (): Promise<void>
}

const closeMs = 5_000
/** A collector that does not even refuse is told about no later than this. */
const lateMs = 15_000
/** Between two lines that say that spans are lost. */
const quietMs = 60_000

/** Settings are those of the process's environment, which these packages read. */
export function createSpanExport (log: Logger): SpanExport {
  const spanProcessors = [new BatchSpanProcessor(heard(new OTLPTraceExporter(), createTrouble(log)))]
  const resource = resourceFromAttributes({ 'service.name': 'scopegate' })
    // Workers of one service are told apart. What the environment says wins.
    .merge(detectResources({ detectors: [serviceInstanceIdDetector] }))
    .merge(detectResources({ detectors: [envDetector] }))
  const provider = new BasicTracerProvider({ resource, spanProcessors })
  return {
    tracer: provider.getTracer('scopegate'),
    async close () {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>(resolve => { timer = setTimeout(resolve, closeMs) })
      // Why it failed has been told.
      await Promise.race([provider.shutdown().catch(() => {}), late])
      clearTimeout(timer)
    }
  }
}

interface Trouble {
  lost (cause: string): void
  over (): void
}

/** Says once that spans are lost, and when they arrive again: never what a collector answered. */
function createTrouble (log: Logger): Trouble {
  let isKnown = false
  let quietUntil = -Infinity
  return {
    lost (cause) {
      if (isKnown || performance.now() < quietUntil) return
      isKnown = true
      quietUntil = performance.now() + quietMs
      log.warn({ event: 'traces-lost', cause }, 'spans do not reach the collector')
    },
    over () {
      if (isKnown) log.info({ event: 'traces-back' }, 'spans reach the collector again')
      isKnown = false
    }
  }
}

/** The same exporter, of which is told whether it gets through. */
function heard (exporter: SpanExporter, trouble: Trouble): SpanExporter {
  return {
    export (spans, done) {
      const late = setTimeout(() => { trouble.lost('no answer') }, lateMs)
      late.unref()
      exporter.export(spans, result => {
        clearTimeout(late)
        if (result.error === undefined && result.code === 0) trouble.over()
        else trouble.lost(causeOf(result.error))
        done(result)
      })
    },
    shutdown: async () => { await exporter.shutdown() },
    forceFlush: async () => { await exporter.forceFlush?.() }
  }
}

/** A status, or the system's code; a message may quote what the collector said. */
function causeOf (error: Error | undefined): string {
  if (error === undefined) return 'unknown'
  return 'code' in error && error.code !== undefined ? String(error.code) : error.name
}
