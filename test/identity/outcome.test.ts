/** The table of what errors mean. Rows are those of the catalogue in the documentation of Entra's error codes. */
import t from 'tap'
import { AuthError, ClientAuthError, InteractionRequiredAuthError, ServerError } from '@azure/msal-node'
import { errors } from '../../src/errors.ts'
import { classify, codedError, isCoded, ProviderUnavailable, type Verdict } from '../../src/identity/outcome.ts'
import { StsError } from '../../src/identity/sts-error.ts'

/** As MSAL makes it of an answer; `interaction` says which of its classes it picks. */
function answered (error: string, number: number | undefined, suberror = '', interaction = false, claims = ''): AuthError {
  // MSAL declares the number as text and passes the provider's number.
  const errorNo = number as unknown as string
  return interaction
    ? new InteractionRequiredAuthError(error, '', '', suberror, '', '', claims, errorNo)
    : new ServerError(error, '', '', suberror, errorNo)
}

function signIn (reason: string, once = false, claims?: string): object {
  return { kind: 'sign-in', reason, claims, once }
}

const unavailable = { kind: 'unavailable' }
const misconfigured = { kind: 'misconfigured', isCredential: false }
const badCredential = { kind: 'misconfigured', isCredential: true }
const capolids = '{"access_token":{"capolids":{"essential":true,"values":["p"]}}}'

/** number, error, suberror, whether MSAL sees an interaction, at acquire, at the callback */
type Row = readonly [number | undefined, string, string, boolean, object, object]

const expired = { kind: 'expired' }
const dead = { kind: 'dead' }
const refused = { kind: 'refused' }

const catalogue: readonly Row[] = [
  [28000, 'invalid_request', '', false, misconfigured, misconfigured],
  [28003, 'invalid_request', '', false, misconfigured, misconfigured],
  [500112, 'invalid_client', '', false, misconfigured, misconfigured],
  [500011, 'invalid_resource', '', false, misconfigured, misconfigured],
  [50020, 'invalid_grant', '', false, signIn('interaction_required', true), refused],
  [90072, 'invalid_grant', '', false, signIn('interaction_required', true), refused],
  [50033, 'temporarily_unavailable', '', false, unavailable, unavailable],
  [90033, 'server_error', '', false, unavailable, unavailable],
  [50057, 'invalid_grant', '', false, dead, expired],
  [50072, 'invalid_grant', 'basic_action', true, signIn('mfa_required'), signIn('mfa_required')],
  [50074, 'invalid_grant', 'basic_action', true, signIn('mfa_required'), signIn('mfa_required')],
  [50076, 'invalid_grant', 'basic_action', true, signIn('mfa_required'), signIn('mfa_required')],
  [50078, 'invalid_grant', 'basic_action', true, signIn('mfa_required'), signIn('mfa_required')],
  [50079, 'invalid_grant', 'basic_action', true, signIn('mfa_required'), signIn('mfa_required')],
  [50105, 'invalid_grant', '', false, signIn('interaction_required', true), refused],
  [50158, 'invalid_grant', 'basic_action', true, signIn('interaction_required'), signIn('interaction_required')],
  [50173, 'invalid_grant', 'bad_token', true, dead, signIn('interaction_required')],
  [50196, 'invalid_grant', '', false, { kind: 'unavailable', retryAfterMs: 300_000 }, { kind: 'unavailable', retryAfterMs: 300_000 }],
  [53000, 'invalid_grant', 'additional_action', true, signIn('interaction_required', true), refused],
  [53001, 'invalid_grant', 'message_only', true, signIn('interaction_required', true), refused],
  [53002, 'invalid_grant', 'message_only', true, signIn('interaction_required', true), refused],
  [53003, 'invalid_grant', 'message_only', true, refused, refused],
  [54005, 'invalid_grant', '', false, signIn('interaction_required'), expired],
  [65001, 'invalid_grant', 'consent_required', true, signIn('consent_required'), signIn('consent_required')],
  [650053, 'invalid_client', '', false, misconfigured, misconfigured],
  [70000, 'invalid_grant', '', false, dead, expired],
  [70008, 'invalid_grant', '', false, dead, expired],
  [700082, 'invalid_grant', '', false, dead, expired],
  [700084, 'invalid_grant', '', false, dead, expired],
  [70043, 'invalid_grant', 'token_expired', false, signIn('interaction_required'), expired],
  [700016, 'unauthorized_client', '', false, misconfigured, misconfigured],
  [700038, 'unauthorized_client', '', false, misconfigured, misconfigured],
  [70003, 'unsupported_grant_type', '', false, misconfigured, misconfigured],
  [70011, 'invalid_scope', '', false, misconfigured, misconfigured],
  [700005, 'invalid_grant', '', false, signIn('interaction_required'), expired],
  [501481, 'invalid_grant', '', false, signIn('interaction_required'), expired],
  [7000112, 'unauthorized_client', '', false, misconfigured, misconfigured],
  [7000215, 'invalid_client', '', false, misconfigured, misconfigured],
  [7000222, 'invalid_client', '', false, misconfigured, misconfigured],
  [7000216, 'invalid_client', '', false, misconfigured, misconfigured],
  [7000218, 'invalid_client', '', false, misconfigured, misconfigured],
  [700024, 'invalid_client', '', false, badCredential, badCredential],
  [700027, 'invalid_client', '', false, badCredential, badCredential],
  [7000214, 'invalid_client', '', false, badCredential, badCredential],
  [1000502, 'invalid_client', '', false, badCredential, badCredential],
  [7000274, 'invalid_client', '', false, badCredential, badCredential],
  [7000277, 'invalid_client', '', false, badCredential, badCredential],
  [700211, 'invalid_client', '', false, misconfigured, misconfigured],
  [90002, 'invalid_request', '', false, misconfigured, misconfigured],
  [90009, 'invalid_request', '', false, misconfigured, misconfigured],
  [900144, 'invalid_request', '', false, misconfigured, misconfigured],
  [9002313, 'invalid_grant', '', false, dead, expired],
  [9010010, 'invalid_target', '', false, misconfigured, misconfigured],
  [undefined, 'invalid_grant', 'client_mismatch', false, misconfigured, misconfigured],
  [undefined, 'invalid_grant', 'protection_policy_required', false, misconfigured, misconfigured],
  [undefined, 'invalid_grant', '', false, signIn('interaction_required'), expired],
  [undefined, 'login_required', '', true, signIn('interaction_required'), signIn('interaction_required')],
  [undefined, 'consent_required', '', true, signIn('consent_required'), signIn('consent_required')],
  [undefined, 'no_tokens_found', '', true, signIn('sign_in_required'), signIn('sign_in_required')],
  [undefined, 'refresh_token_expired', '', true, signIn('sign_in_required'), signIn('sign_in_required')]
]

for (const [number, error, suberror, interaction, atAcquire, atCallback] of catalogue) {
  t.test(`${number ?? 'no number'} ${error} ${suberror}`, async t => {
    t.strictSame(plain(classify(answered(error, number, suberror, interaction), 'acquire')), plain(atAcquire))
    t.strictSame(plain(classify(answered(error, number, suberror, interaction), 'callback')), plain(atCallback))
  })
}

t.test('what the provider refuses the gateway itself is the operator\'s to mend', async t => {
  for (const [number, error, suberror, interaction] of catalogue) {
    const { kind } = classify(answered(error, number, suberror, interaction), 'app')
    const isFault = number === 50196 || ['temporarily_unavailable', 'server_error'].includes(error)
    if (!['no_tokens_found', 'refresh_token_expired'].includes(error)) t.equal(kind, isFault ? 'unavailable' : 'misconfigured', `${number} ${error}`)
  }
})

t.test('what the provider says of a client\'s token is the client\'s to mend, or the operator\'s, or nobody\'s', async t => {
  const rows: Array<[number: number, suberror: string, interaction: boolean, claims: string, expected: object]> = [
    [50013, '', false, '', dead], [500133, '', false, '', dead], [50057, '', false, '', dead], [50173, 'bad_token', true, '', dead],
    [500131, '', false, '', misconfigured], [53003, 'message_only', true, capolids, refused], [50105, '', false, '', refused],
    [50020, '', false, '', refused], [53000, 'additional_action', true, '', refused],
    [53000, 'additional_action', true, capolids, signIn('interaction_required', true, capolids)],
    [65001, 'consent_required', true, '', signIn('consent_required')],
    [50076, 'basic_action', true, capolids, signIn('mfa_required', false, capolids)]
  ]
  for (const [number, suberror, interaction, claims, expected] of rows) {
    t.strictSame(plain(classify(answered('invalid_grant', number, suberror, interaction, claims), 'onBehalfOf')), plain(expected), String(number))
  }
  t.strictSame(plain(classify(answered('invalid_client', 7000215), 'onBehalfOf')), plain(misconfigured))
})

function plain (verdict: object): unknown {
  return JSON.parse(JSON.stringify(verdict))
}

t.test('claims of the error are passed on', async t => {
  t.match(classify(answered('invalid_grant', 50076, 'basic_action', true, capolids), 'acquire'), { kind: 'sign-in', claims: capolids })
})

t.test('the number is found in the description when it is nowhere else', async t => {
  const error = new ServerError('invalid_grant', '', 'AADSTS700082: The refresh token has expired due to inactivity.')
  t.match(classify(error, 'acquire'), { kind: 'dead' })
})

t.test('an interaction is known by its name, because there are two classes of it', async t => {
  const error = Object.assign(new AuthError('something_new', '', ''), { name: 'InteractionRequiredAuthError' })
  t.match(classify(error, 'acquire'), { kind: 'sign-in' })
})

t.test('what MSAL\'s throttle repeats means nothing about the user', async t => {
  for (const code of ['', '50196', '50196,70000', '90033']) t.match(classify(new ServerError(code, '', ''), 'acquire'), unavailable)
})

t.test('calls without a usable answer mean nothing about the user', async t => {
  for (const failure of ['sts_unavailable', 'sts_throttled', 'sts_timeout', 'sts_network', 'sts_bad_response'] as const) {
    const error = new StsError(failure, { retryAfterMs: 7000 })
    for (const where of ['acquire', 'callback'] as const) t.match(classify(error, where), { kind: 'unavailable', retryAfterMs: 7000 })
  }
  for (const code of ['network_error', 'endpoints_resolution_error', 'token_parsing_error']) {
    t.match(classify(new ClientAuthError(code, ''), 'acquire'), unavailable)
  }
})

t.test('a nonce or state of another sign-in is a mismatch', async t => {
  for (const code of ['nonce_mismatch', 'state_mismatch']) t.match(classify(new ClientAuthError(code, ''), 'callback'), { kind: 'mismatch' })
})

t.test('what nobody thought of is unknown, and so are errors of our own making', async t => {
  const strange = [new TypeError('x'), new ServerError('brand_new', '', ''), new StsError('need_network'), new StsError('sts_foreign_address'), 'x']
  for (const error of strange) t.match(classify(error, 'acquire'), { kind: 'unknown' })
})

t.test('every verdict has its coded error, whose cause is not in its message', async t => {
  const cause = new ServerError('invalid_grant', '', 'AADSTS50105: secret detail')
  const codes: [Verdict, string][] = [
    [{ kind: 'unavailable', retryAfterMs: 5000 }, 'SG_PROVIDER_UNAVAILABLE'],
    [{ kind: 'misconfigured', isCredential: true }, 'SG_PROVIDER_MISCONFIGURED'],
    [{ kind: 'refused' }, 'SG_SIGN_IN_REFUSED'],
    [{ kind: 'sign-in', reason: 'interaction_required', claims: undefined, once: true }, 'SG_SIGN_IN_REFUSED'],
    [{ kind: 'expired' }, 'SG_SIGN_IN_EXPIRED'],
    [{ kind: 'mismatch' }, 'SG_SIGN_IN_MISMATCH'],
    [{ kind: 'unknown' }, 'SG_INTERNAL']
  ]
  for (const [verdict, code] of codes) {
    const error = codedError(verdict, cause)
    t.match(error, { code, cause: { code: 'AADSTS50105', cause } })
    t.notMatch(error.message, /secret/)
    t.ok(isCoded(error))
  }
  t.equal((codedError(codes[0]![0], cause) as ProviderUnavailable).retryAfterMs, 5000)
  t.notOk(isCoded(cause))
  t.ok(isCoded(new errors.SG_STORE_UNAVAILABLE()))
})
