/** This file checks the catalogue of errors: the public codes, and how little of an error the outside gets to know. */
import t from 'tap'
import { type ErrorCode, errors, problemOf, SignInRequired, TooManyRequests } from '../src/errors.ts'

/** Public since the first release: clients and dashboards match on these (contract, section 7). */
const statuses: Readonly<Record<string, number>> = {
  SG_TARGET_INVALID: 400,
  SG_SIGN_IN_REQUIRED: 401,
  SG_TOKEN_INVALID: 401,
  SG_ORIGIN_REFUSED: 403,
  SG_ACCESS_DENIED: 403,
  SG_ROUTE_UNKNOWN: 404,
  SG_SIGN_IN_EXPIRED: 400,
  SG_SIGN_IN_MISMATCH: 400,
  SG_SIGN_IN_REFUSED: 403,
  SG_SIGN_IN_LOOP: 403,
  SG_CONSENT_NEEDED: 403,
  SG_BODY_TOO_LARGE: 413,
  SG_PROVIDER_UNAVAILABLE: 503,
  SG_PROVIDER_MISCONFIGURED: 502,
  SG_STORE_UNAVAILABLE: 503,
  SG_UPSTREAM_UNREACHABLE: 502,
  SG_UPSTREAM_TLS: 502,
  SG_UPSTREAM_TIMEOUT: 504,
  SG_OVERLOADED: 503,
  SG_INTERNAL: 500,
  SG_CONFIG_INVALID: 500
}

t.test('the catalogue holds the public codes with their statuses, and no others', async t => {
  const found = Object.fromEntries(Object.entries(errors).map(([code, Coded]) => [code, new Coded().statusCode]))
  t.same(found, statuses)
})

t.test('every error carries the code under which it is listed', async t => {
  for (const [code, Coded] of Object.entries(errors)) t.equal(new Coded().code, code)
})

t.test('a coded error is told as its code, status and fixed title', async t => {
  for (const [code, Coded] of Object.entries(errors)) {
    const { message, statusCode } = new Coded()
    t.same(problemOf(new Coded()), { code, status: statusCode, title: message })
  }
})

t.test('a cause is kept for the log and is not told', async t => {
  const cause = new Error('connect ECONNREFUSED 10.0.0.7:6379')
  for (const Coded of Object.values(errors)) {
    const error = new Coded({ cause })
    t.equal(error.cause, cause)
    t.equal(error.message, new Coded().message)
    t.notMatch(JSON.stringify(problemOf(error)), /ECONNREFUSED|10\.0\.0\.7/)
  }
})

t.test('whatever is not in the catalogue is SG_INTERNAL, without a word of what it said', async t => {
  const secret = 'Bearer eyJhbGciOi'
  const strangers: unknown[] = [
    new Error(secret),
    Object.assign(new Error(secret), { code: 'ECONNRESET' }),
    Object.assign(new Error(secret), { code: 'SG_UNHEARD_OF', statusCode: 200 }),
    Object.assign(new Error(secret), { code: 'toString' }),
    Object.assign(new Error(secret), { code: '__proto__' }),
    Object.assign(new Error(secret), { code: { toString: () => 'SG_ACCESS_DENIED' } }),
    Object.assign(new Error(secret), { statusCode: 404 }),
    { code: 'SG_ACCESS_DENIED', message: secret },
    secret, undefined, null, 42, Symbol('x')
  ]
  for (const stranger of strangers) t.same(problemOf(stranger), { code: 'SG_INTERNAL', status: 500, title: 'Something went wrong' })
})

t.test('the title of a problem cannot be changed by whoever threw it', async t => {
  const error = Object.assign(new errors.SG_STORE_UNAVAILABLE(), { message: 'redis://:password@store', statusCode: 200 })
  t.same(problemOf(error), { code: 'SG_STORE_UNAVAILABLE', status: 503, title: 'The session store does not answer' })
})

t.test('a needed sign-in is SG_SIGN_IN_REQUIRED to the outside and carries its need within', async t => {
  const need = { reason: 'mfa_required', scopes: ['api://orders/Orders.Read'], claims: '{"access_token":{}}' } as const
  const error = new SignInRequired(need)
  t.ok(error instanceof errors.SG_SIGN_IN_REQUIRED)
  t.equal(error.need, need)
  t.same(problemOf(error), { code: 'SG_SIGN_IN_REQUIRED' satisfies ErrorCode, status: 401, title: 'Sign-in is required' })
})

t.test('one client that asks too often gets a status of its own', async t => {
  t.same(problemOf(new TooManyRequests(2000)), { code: 'SG_OVERLOADED', status: 429, title: 'Too many requests' })
  t.same(problemOf(new errors.SG_OVERLOADED()), { code: 'SG_OVERLOADED', status: 503, title: 'Too many requests' })
})
