/** This file is the error of a call to the identity provider that brought no usable answer. */
import { AuthError } from '@azure/msal-node'

/**
 * What went wrong. `need_network` is not a fault: a client that may only read its cache had nothing to answer with.
 */
export type StsFailure =
  | 'sts_unavailable' | 'sts_throttled' | 'sts_timeout' | 'sts_network' | 'sts_bad_response' | 'sts_foreign_address'
  | 'need_network'

export interface StsErrorDetails {
  readonly status?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/**
 * Thrown through MSAL. It extends MSAL's own error because MSAL turns every other exception of a POST into
 * `network_error` and loses what it was.
 */
export class StsError extends AuthError {
  /** What went wrong, as the log shows it. */
  readonly code: StsFailure
  /** HTTP status, when there was an answer. */
  readonly status: number | undefined
  /** How long the provider wants to be left alone, in milliseconds, at most 300,000. */
  readonly retryAfterMs: number | undefined

  constructor (failure: StsFailure, details: StsErrorDetails = {}) {
    super(failure, '', failure)
    // MSAL's constructor makes everything an AuthError and nothing more: `instanceof StsError` would be false.
    Object.setPrototypeOf(this, StsError.prototype)
    this.name = 'StsError'
    this.code = failure
    this.status = details.status
    this.retryAfterMs = details.retryAfterMs
    this.cause = details.cause
  }
}
