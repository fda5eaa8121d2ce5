/** This file reads and writes trace context as it stands in header fields (W3C Trace Context, level 1), pure. */

/** A place in a trace. */
export interface TracePlace {
  readonly traceId: string
  readonly spanId: string
  readonly isSampled: boolean
}

/** Of version 00, or of a later one, which begins like that and may have more behind it (section 3.2.4). */
const traceForm = /^(?!ff)([0-9a-f]{2})(-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?$/

/** What is longer need not be passed on (section 3.3.1.5). */
export const maxTraceStateLength = 512

/** @returns the field as version 00 has it; undefined when it is not well formed */
export function asVersion00 (field: string | undefined): string | undefined {
  const [, version, context, more] = (field === undefined ? undefined : traceForm.exec(field)) ?? []
  return context === undefined || (version === '00' && more !== undefined) ? undefined : `00${context}`
}

/** @returns undefined for what is not well formed */
export function parseTraceparent (field: string | undefined): TracePlace | undefined {
  const known = asVersion00(field)
  if (known === undefined) return undefined
  return { traceId: known.slice(3, 35), spanId: known.slice(36, 52), isSampled: (parseInt(known.slice(53), 16) & 1) === 1 }
}

export function formatTraceparent ({ traceId, spanId, isSampled }: TracePlace): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}
