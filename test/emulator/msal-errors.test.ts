/** Conformance checks 6-8: what MSAL makes of each error, of throttling, and of answers that are not JSON. */
import t from 'tap'
import { ConfidentialClientApplication } from '@azure/msal-node'
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { startWorld } from './support/world.ts'
import { accountOf, CONTOSO, GATEWAY, signIn } from './support/msal.ts'
import type { Aadsts } from '../../emulator/errors/catalogue.ts'

const INTERACTION = 'InteractionRequiredAuthError'
const SERVER = 'ServerError'

/** AADSTS code, `error`, suberror, and the class MSAL Node 7 makes of it, for a refused refresh. */
const MATRIX: readonly (readonly [Aadsts, string, string | undefined, string])[] = [
  [28000, 'invalid_request', undefined, SERVER],
  [500011, 'invalid_resource', undefined, SERVER],
  [50013, 'invalid_grant', undefined, SERVER],
  [500133, 'invalid_grant', undefined, SERVER],
  [50020, 'invalid_grant', undefined, SERVER],
  [50057, 'invalid_grant', undefined, SERVER],
  [50072, 'invalid_grant', 'basic_action', INTERACTION],
  [50074, 'invalid_grant', 'basic_action', INTERACTION],
  [50076, 'invalid_grant', 'basic_action', INTERACTION],
  [50078, 'invalid_grant', 'basic_action', INTERACTION],
  [50079, 'invalid_grant', 'basic_action', INTERACTION],
  [50105, 'invalid_grant', undefined, SERVER],
  [50158, 'invalid_grant', 'basic_action', INTERACTION],
  [50173, 'invalid_grant', 'bad_token', INTERACTION],
  [50196, 'invalid_grant', undefined, SERVER],
  [53000, 'invalid_grant', 'additional_action', INTERACTION],
  [53001, 'invalid_grant', 'message_only', INTERACTION],
  [53003, 'invalid_grant', 'message_only', INTERACTION],
  [65001, 'invalid_grant', 'consent_required', INTERACTION],
  [70000, 'invalid_grant', undefined, SERVER],
  [70008, 'invalid_grant', undefined, SERVER],
  [700082, 'invalid_grant', undefined, SERVER],
  [70043, 'invalid_grant', 'token_expired', SERVER],
  [700016, 'unauthorized_client', undefined, SERVER],
  [70011, 'invalid_scope', undefined, SERVER],
  [7000215, 'invalid_client', undefined, SERVER],
  [7000222, 'invalid_client', undefined, SERVER],
  [700027, 'invalid_client', undefined, SERVER],
  [7000112, 'unauthorized_client', undefined, SERVER]
]

t.test('each refused refresh surfaces as the class that the table says', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  for (const [aadsts, error, suberror, name] of MATRIX) {
    // Some rows cost MSAL its refresh token, so each begins with a sign-in.
    const account = accountOf(await signIn(client, browser))
    entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, aadsts })
    await t.rejects(
      client.acquireTokenSilent({ account, scopes: ['api://orders/Orders.Read'], forceRefresh: true }),
      { name, errorCode: error, subError: suberror ?? '', message: new RegExp(`AADSTS${aadsts}: .*Trace ID: .*Correlation ID: .*Timestamp: `) },
      `${aadsts} is a ${name}`
    )
  }
})

t.test('bad_token makes MSAL drop the refresh token; a new sign-in restores', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  const scopes = ['api://orders/Orders.Read']
  const account = accountOf(await signIn(client, browser))
  entra.admin.updateUser('alice@contoso.example', { revoke: true })
  await t.rejects(client.acquireTokenSilent({ account, scopes, forceRefresh: true }), { name: INTERACTION, subError: 'bad_token' })
  await t.rejects(client.acquireTokenSilent({ account, scopes, forceRefresh: true }), { name: INTERACTION, errorCode: 'no_tokens_found' })
  entra.admin.clock.advance(1)
  const again = await signIn(client, browser, { extra: { prompt: 'login' } })
  const silent = await client.acquireTokenSilent({ account: accountOf(again), scopes, forceRefresh: true })
  t.equal(silent.fromCache, false)
})

t.test('429 throttles MSAL locally, for everybody', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const client = msal()
  const scopes = ['api://orders/Orders.Read']
  const account = accountOf(await signIn(client, browser))
  const refresh = () => client.acquireTokenSilent({ account, scopes, forceRefresh: true })
  const calls = () => entra.requests().filter(({ parameters }) => parameters.grant_type === 'refresh_token').length

  entra.admin.fault({ endpoint: 'token', status: 429, headers: { 'retry-after': '60' }, aadsts: 90033 })
  await t.rejects(refresh(), { name: SERVER, errorCode: 'temporarily_unavailable' })
  await t.rejects(refresh(), { name: SERVER, errorCode: '90033' }, 'the throttled error carries the joined error_codes')
  t.equal(calls(), 1, 'the second call never left the process')
})

t.test("a page instead of JSON is a parsing error of MSAL's own network module", async (t) => {
  const { entra, browser } = await startWorld(t)
  const before = getGlobalDispatcher()
  const trusting = new Agent({ connect: { ca: entra.caPem } })
  setGlobalDispatcher(trusting)
  t.teardown(async () => {
    setGlobalDispatcher(before)
    await trusting.close()
  })
  const auth = { clientId: GATEWAY, clientSecret: 'gw-secret', authority: `${entra.origin}/${CONTOSO}`, knownAuthorities: [new URL(entra.origin).host] }
  const client = new ConfidentialClientApplication({ auth })
  const account = accountOf(await signIn(client, browser))
  entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, action: 'html' })
  const scopes = ['api://orders/Orders.Read']
  await t.rejects(client.acquireTokenSilent({ account, scopes, forceRefresh: true }), { name: 'AuthError', errorCode: 'token_parsing_error' })
})
