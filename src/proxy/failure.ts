/**
 * This file turns what can go wrong between us and an upstream into a coded error. The cause stays in the log.
 */
import { errors } from '../errors.ts'

const timeouts = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

/** Verification results of OpenSSL as Node names them (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const certificateCodes = new Set([
  'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_CRL', 'UNABLE_TO_DECRYPT_CERT_SIGNATURE', 'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', 'CERT_SIGNATURE_FAILURE', 'CRL_SIGNATURE_FAILURE', 'CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED',
  'CRL_NOT_YET_VALID', 'CRL_HAS_EXPIRED', 'ERROR_IN_CERT_NOT_BEFORE_FIELD', 'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CRL_LAST_UPDATE_FIELD', 'ERROR_IN_CRL_NEXT_UPDATE_FIELD', 'OUT_OF_MEM', 'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED', 'INVALID_CA', 'PATH_LENGTH_EXCEEDED', 'INVALID_PURPOSE', 'CERT_UNTRUSTED', 'CERT_REJECTED', 'HOSTNAME_MISMATCH'
])

/** How the end of a connection looks that the upstream closed, not we. */
const closings = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** This process has no descriptor left for a connection. */
const exhaustions = new Set(['EMFILE', 'ENFILE'])

export function hasClosed (error: Error): boolean {
  return closings.has(codeOf(error))
}

/** What is too much now may well fit in a moment. */
export function overloaded (cause?: unknown): Error {
  return Object.assign(new errors.SG_OVERLOADED({ cause }), { retryAfterMs: 1000 })
}

/** The answer for an exchange that failed before the upstream's headers came. */
export function upstreamFailure (cause: unknown): Error {
  const code = codeOf(cause)
  if (exhaustions.has(code)) return overloaded(cause)
  if (timeouts.has(code)) return new errors.SG_UPSTREAM_TIMEOUT({ cause })
  if (isTls(code) || (cause instanceof Error && isTls(codeOf(cause.cause)))) return new errors.SG_UPSTREAM_TLS({ cause })
  return new errors.SG_UPSTREAM_UNREACHABLE({ cause })
}

function isTls (code: string): boolean {
  return certificateCodes.has(code) || /^ERR_(?:TLS|SSL)_/.test(code) || code === 'EPROTO'
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
