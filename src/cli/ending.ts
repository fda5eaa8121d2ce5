/** This file tells why a process ends, and what follows from that for its log and its exit code. */
import type { Logger } from '../telemetry/log.ts'

/** Why a process ends: somebody said so, or there was an error that nobody expected, after which it cannot be relied on. */
export type Ending =
  | { readonly kind: 'signal', readonly signal: EndSignal }
  | { readonly kind: 'fault', readonly error: unknown }

/** An orchestrator says SIGTERM and goes on sending requests for a while; a person at a terminal says SIGINT. */
export type EndSignal = 'SIGTERM' | 'SIGINT'

/** Says that the process ends because of an error that nobody expected. */
export function logFault (ending: Ending, log: Logger): void {
  if (ending.kind === 'fault') log.fatal({ event: 'uncaught-error', err: ending.error }, 'an error that nobody expected')
}

/** 0 when it was asked to end, 70 when it had to. */
export function exitCodeOf ({ kind }: Ending): number {
  return kind === 'signal' ? 0 : 70
}
