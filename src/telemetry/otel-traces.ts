/** This file is traces through OpenTelemetry. It is loaded where somebody wants them. */
import { callSpans } from './call-spans.ts'
import type { Logger } from './log.ts'
import { requestSpans } from './request-spans.ts'
import { createSpanExport } from './span-export.ts'
import { createSpans } from './spans.ts'
import type { Traces } from './traces.ts'

export function createTraces (log: Logger): Traces {
  const { tracer, close } = createSpanExport(log)
  const spans = createSpans(tracer)
  return { ...requestSpans(spans), ...callSpans(spans), close }
}
