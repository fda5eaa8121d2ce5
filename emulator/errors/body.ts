/** This file writes an error the way the token endpoint and redirects show it. */
import type { Quirks } from '../config/shape.ts'
import type { EntraError } from './entra-error.ts'

/** What identifies one request in an answer. */
export interface Trace {
  readonly traceId: string
  /** The client's `client-request-id`, or one of ours. */
  readonly correlationId: string
  /** `2030-01-01 08:31:10Z` */
  readonly timestamp: string
}

export function describe (error: EntraError, trace: Trace, style: Quirks['descriptionStyle']): string {
  const gap = style === 'crlf' ? '\r\n' : ' '
  return [
    `AADSTS${error.code}: ${error.message}`,
    `Trace ID: ${trace.traceId}`,
    `Correlation ID: ${trace.correlationId}`,
    `Timestamp: ${trace.timestamp}`
  ].join(gap)
}

/** Body of an error at the token endpoint; `claims` is a JSON *string*. */
export function errorBody (error: EntraError, trace: Trace, context: { origin: string, style: Quirks['descriptionStyle'] }): Record<string, unknown> {
  const { hasNoPage } = error.entry
  const { claims, suberror = error.entry.suberror ?? null } = error.options
  return {
    error: error.options.error ?? error.entry.error,
    error_description: describe(error, trace, context.style),
    error_codes: [error.code],
    timestamp: trace.timestamp,
    trace_id: trace.traceId,
    correlation_id: trace.correlationId,
    ...(hasNoPage === undefined ? { error_uri: `${context.origin}/error?code=${error.code}` } : {}),
    ...(suberror === null ? {} : { suberror }),
    ...(claims === undefined ? {} : { claims: JSON.stringify(claims) })
  }
}
