/**
 * This file judges answers of the identity provider before anyone else sees them, pure: what is passed on is a JSON
 * object with what MSAL relies on, and nothing that would arm MSAL's throttle, which knows no users.
 */
import { StsError } from './sts-error.ts'

/** A parsed JSON object whose members are unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: JsonObject
}

/** An answer as it came off the wire. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

const maxRetryAfterMs = 300_000

/**
 * The answer of the token endpoint, an error of the OAuth kind included.
 *
 * @throws StsError sts_unavailable or sts_throttled for 5xx and 429; sts_bad_response for whatever is neither a token
 *   of type Bearer nor an OAuth error
 */
export function judgeTokenAnswer (raw: RawAnswer, now: number): Answer {
  refuseUnavailable(raw, now)
  const body = parseObject(raw)
  const isToken = isSuccess(raw.status) && isNonEmpty(body['access_token']) && isBearer(body['token_type'])
  const isRefusal = raw.status >= 400 && isNonEmpty(body['error'])
  if (!isToken && !isRefusal) throw badResponse(raw)
  return { status: raw.status, headers: plainHeaders(raw.headers), body }
}

/** A metadata or key document. @throws StsError as {@link judgeTokenAnswer} */
export function judgeDocument (raw: RawAnswer, now: number): Answer {
  refuseUnavailable(raw, now)
  if (!isSuccess(raw.status)) throw badResponse(raw)
  return { status: raw.status, headers: {}, body: parseObject(raw) }
}

/**
 * `Retry-After` in milliseconds, at most 300,000: seconds or an HTTP date.
 *
 * @returns undefined when the field is absent or unreadable
 * @see RFC 9110, section 10.2.3
 */
export function parseRetryAfter (value: string | string[] | undefined, now: number): number | undefined {
  if (typeof value !== 'string') return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), maxRetryAfterMs)
}

function refuseUnavailable ({ status, headers }: RawAnswer, now: number): void {
  if (status < 500 && status !== 429) return
  const retryAfterMs = parseRetryAfter(headers['retry-after'], now)
  throw new StsError(status === 429 ? 'sts_throttled' : 'sts_unavailable', { status, retryAfterMs })
}

function parseObject (raw: RawAnswer): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(raw.text)
  } catch {
    // Without its cause: that quotes the body, and with it perhaps a token.
    throw badResponse(raw)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badResponse(raw)
  return value as JsonObject
}

/** MSAL's throttle also obeys a `Retry-After` beside a 4xx: it must not see one. */
function plainHeaders (headers: RawAnswer['headers']): Record<string, string> {
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== 'retry-after') plain[name] = String(value)
  }
  return plain
}

function isSuccess (status: number): boolean {
  return status >= 200 && status < 300
}

function isNonEmpty (value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** Token types compare without case (RFC 6749, section 5.1). */
function isBearer (value: unknown): boolean {
  return typeof value === 'string' && value.toLowerCase() === 'bearer'
}

function badResponse ({ status }: RawAnswer): StsError {
  return new StsError('sts_bad_response', { status })
}
