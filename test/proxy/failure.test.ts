/** This file checks what the failure of an upstream is called: by code alone, with the cause kept for the log. */
import t from 'tap'
import { errors as undici } from 'undici'
import { problemOf } from '../../src/errors.ts'
import { upstreamFailure } from '../../src/proxy/failure.ts'

const coded = (code: string): Error => Object.assign(new Error(`secret of ${code}`), { code })

const table: Readonly<Record<string, readonly string[]>> = {
  SG_UPSTREAM_TIMEOUT: ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'],
  SG_UPSTREAM_TLS: [
    'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'HOSTNAME_MISMATCH', 'CERT_REVOKED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'EPROTO'
  ],
  SG_UPSTREAM_UNREACHABLE: [
    'ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_ABORTED',
    'HPE_INVALID_CONSTANT', 'UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'something new', '', 'constructor', '__proto__',
    'SG_ACCESS_DENIED', 'certificate', 'err_tls_lower_case'
  ]
}

for (const [expected, codes] of Object.entries(table)) {
  t.test(`${expected} is what these codes come to`, async t => {
    for (const code of codes) {
      const cause = coded(code)
      const failure = upstreamFailure(cause)
      t.equal(problemOf(failure).code, expected, code)
      t.equal(failure.cause, cause)
      t.notMatch(failure.message, 'secret')
    }
  })
}

t.test('undici\'s own errors are recognised', async t => {
  t.equal(problemOf(upstreamFailure(new undici.ConnectTimeoutError())).code, 'SG_UPSTREAM_TIMEOUT')
  t.equal(problemOf(upstreamFailure(new undici.HeadersTimeoutError())).code, 'SG_UPSTREAM_TIMEOUT')
  t.equal(problemOf(upstreamFailure(new undici.BodyTimeoutError())).code, 'SG_UPSTREAM_TIMEOUT')
  t.equal(problemOf(upstreamFailure(new undici.SocketError('other side closed'))).code, 'SG_UPSTREAM_UNREACHABLE')
})

t.test('whatever else is thrown counts as unreachable', async t => {
  for (const cause of [undefined, null, 'ETIMEDOUT', { code: 'ETIMEDOUT' }, new Error('ETIMEDOUT'), Object.assign(new Error(), { code: 7 })]) {
    t.equal(problemOf(upstreamFailure(cause)).code, 'SG_UPSTREAM_UNREACHABLE')
  }
})
