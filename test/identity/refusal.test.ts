/** What it means when the provider's page sends somebody back without a code, and when an administrator can help. */
import t from 'tap'
import type { FailedSignIn } from '../../src/identity/provider.ts'
import { refusalOf } from '../../src/identity/refusal.ts'
import { client, tenant } from './support/provider.ts'

const registration = {
  clientId: client, instance: 'https://login.example/', tenantId: tenant, redirectUri: 'https://gw.example/.auth/callback', hasTenants: true
}
const asked = { scopes: ['api://orders/Orders.Write'], tid: undefined, adminState: 'admin' }
const declined = { error: 'access_denied', subcode: '', description: 'AADSTS65004: no.' }
const otherTenant = '99999999-9999-4999-8999-999999999999'

/** error, subcode, number, code of ours, whether an administrator is offered */
const answers: ReadonlyArray<readonly [string, string, number | undefined, string, boolean]> = [
  ['access_denied', '', 65004, 'SG_CONSENT_NEEDED', true],
  ['access_denied', 'cancel', 65004, 'SG_CONSENT_NEEDED', true],
  ['access_denied', 'cancel', undefined, 'SG_SIGN_IN_REFUSED', true],
  ['access_denied', '', undefined, 'SG_SIGN_IN_REFUSED', false],
  ['access_denied', '', 500121, 'SG_SIGN_IN_REFUSED', false],
  ['access_denied', '', 90094, 'SG_CONSENT_NEEDED', true],
  ['consent_required', '', 65001, 'SG_CONSENT_NEEDED', true],
  ['interaction_required', '', 65001, 'SG_CONSENT_NEEDED', true],
  ['interaction_required', '', 16000, 'SG_SIGN_IN_REFUSED', false],
  ['login_required', '', 50058, 'SG_SIGN_IN_REFUSED', false],
  ['access_denied', '', 53003, 'SG_SIGN_IN_REFUSED', false],
  ['invalid_grant', '', 50105, 'SG_SIGN_IN_REFUSED', false],
  ['server_error', '', 90033, 'SG_PROVIDER_UNAVAILABLE', false],
  ['temporarily_unavailable', '', undefined, 'SG_PROVIDER_UNAVAILABLE', false],
  ['invalid_resource', '', 500011, 'SG_PROVIDER_MISCONFIGURED', false],
  ['unsupported_response_type', '', 700054, 'SG_PROVIDER_MISCONFIGURED', false],
  ['brand_new', '', undefined, 'SG_PROVIDER_MISCONFIGURED', false],
  ['__proto__', 'constructor', undefined, 'SG_PROVIDER_MISCONFIGURED', false]
]

for (const [error, subcode, number, code, hasAdmin] of answers) {
  t.test(`${error} ${subcode} ${number ?? ''}`, async t => {
    const description = number === undefined ? '' : `AADSTS${number}: no.`
    const refusal = refusalOf({ error, subcode, description }, asked, registration)
    t.match(refusal.error, { code })
    t.equal(refusal.adminConsentUrl !== undefined, hasAdmin)
  })
}

t.test('who is signed in and leaves has left the permissions, if there were any to ask for', async t => {
  const leave = (more: Partial<FailedSignIn>) =>
    refusalOf({ error: 'access_denied', subcode: 'cancel', description: '' }, { ...asked, ...more }, registration)
  t.match(leave({ tid: tenant }).error, { code: 'SG_CONSENT_NEEDED' })
  t.match(leave({ tid: tenant, scopes: [] }).error, { code: 'SG_SIGN_IN_REFUSED' })
  const policy = leave({ tid: tenant, claims: '{"id_token":{}}' })
  t.match(policy.error, { code: 'SG_SIGN_IN_REFUSED' })
  t.equal(policy.adminConsentUrl, undefined, 'a policy is no matter of consent')
  const { adminConsentUrl } = leave({ scopes: [] })
  t.match(new URL(adminConsentUrl!).searchParams.get('scope'), 'openid profile offline_access', 'to sign in is a permission, too')
})

t.test('a host whose endpoints are configured has no administrators that Entra knows', async t => {
  const { error, adminConsentUrl } = refusalOf(declined, asked, { ...registration, hasTenants: false })
  t.match(error, { code: 'SG_CONSENT_NEEDED' })
  t.equal(adminConsentUrl, undefined)
})

t.test('the administrator is sent to the user\'s tenant, else to that of the config, else to their own', async t => {
  const urlFor = (tid: string | undefined, tenantId: string): URL =>
    new URL(refusalOf(declined, { ...asked, tid }, { ...registration, tenantId }).adminConsentUrl!)
  const url = urlFor(undefined, tenant)
  t.equal(url.origin + url.pathname, `https://login.example/${tenant}/v2.0/adminconsent`)
  t.strictSame(Object.fromEntries(url.searchParams), {
    client_id: client, scope: 'openid profile offline_access api://orders/Orders.Write', redirect_uri: registration.redirectUri, state: 'admin'
  })
  t.equal(urlFor(otherTenant, 'organizations').pathname, `/${otherTenant}/v2.0/adminconsent`)
  for (const shared of ['organizations', 'common']) t.equal(urlFor(undefined, shared).pathname, '/organizations/v2.0/adminconsent')
})

t.test('the log gets a number or a name, and nothing else of what came with the answer', async t => {
  const causeOf = (error: string, description: string): unknown => {
    const { cause } = refusalOf({ error, subcode: '', description }, asked, registration).error
    t.notMatch(JSON.stringify(cause) + String((cause as Error).message), /secret/)
    return (cause as { code: string }).code
  }
  t.equal(causeOf('invalid_resource', 'AADSTS500011: secret'), 'AADSTS500011')
  t.equal(causeOf('invalid_resource', 'secret'), 'invalid_resource')
  t.equal(causeOf('secret\n{"level":"fatal"}', ''), 'unknown')
  t.equal(causeOf('x'.repeat(65), ''), 'unknown')
  t.equal(causeOf('invalid_resource', `AADSTS${'1'.repeat(40)}`), 'invalid_resource')
})
