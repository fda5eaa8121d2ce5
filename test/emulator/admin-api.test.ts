/** The admin API over HTTP, and the instruments behind it. */
import t, { type Test } from 'tap'
import { Agent, fetch } from 'undici'
import { decodeJwt } from 'jose'
import type { Emulator } from '../../emulator/start.ts'
import { until } from '../support/redis.ts'
import { CALLBACK } from './support/msal.ts'
import { headlessCode, postToken, redeem } from './support/token-request.ts'
import { startWorld } from './support/world.ts'

/** JSON calls to `/_emulator`, closed with the test. */
function client (t: Test, entra: Emulator, headers: Record<string, string> = {}) {
  const dispatcher = new Agent({ connect: { ca: entra.caPem } })
  t.teardown(() => dispatcher.close())
  return async (method: string, path: string, body?: unknown) => {
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${entra.origin}/_emulator/${path}`, {
      method, dispatcher, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...content
    })
    return { status: response.status, json: await response.json().catch(() => null) as Record<string, unknown> }
  }
}

t.test('it is off unless asked for', async (t) => {
  const { entra } = await startWorld(t)
  t.equal((await client(t, entra)('GET', 'state')).status, 404)
})

t.test('users, policies, grants, login and tokens', async (t) => {
  const { entra, browser } = await startWorld(t, { admin: true })
  const call = client(t, entra)
  t.notMatch(JSON.stringify((await call('GET', 'state')).json), /Password1!|gw-secret/, 'no password and no secret')
  await call('POST', 'grants', { client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'], principal: 'alice@contoso.example' })
  const { json } = await call('POST', 'login', { user: 'alice@contoso.example', client: 'Gateway', scope: 'openid offline_access api://orders/Orders.Read', nonce: 'n' })
  const tokens = await redeem(browser, String(json.code))
  t.equal(tokens.status, 200)
  const refresh = () => postToken(browser, { grant_type: 'refresh_token', refresh_token: String(tokens.json.refresh_token), scope: 'api://orders/Orders.Read' })
  t.strictSame((await call('DELETE', 'grants', { client: 'Gateway', principal: 'alice@contoso.example' })).json, { removed: 1 })
  t.match((await refresh()).json, { error_codes: [65001] })
  await call('POST', 'grants', { client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'] })
  await call('POST', 'policies/MFA%20for%20Orders', { enabled: true })
  t.match((await refresh()).json, { error_codes: [50076] })
  await call('POST', 'policies/MFA%20for%20Orders', { enabled: false })
  await call('POST', 'users/alice@contoso.example', { state: 'disabled' })
  t.match((await refresh()).json, { error_codes: [50057] })
  await call('POST', 'users/alice@contoso.example', { state: 'active', revoke: true })
  t.match((await refresh()).json, { error_codes: [50173], suberror: 'bad_token' })
  t.equal((await call('POST', 'users/nobody', {})).status, 404)

  const { json: issued } = await call('POST', 'tokens/issue', { user: 'bob@contoso.example', client: 'Gateway', scope: 'api://orders/Orders.Read' })
  const { uti } = decodeJwt(String(issued.token))
  await call('POST', 'cae/challenge', { uti, api: 'api://orders' })
  t.equal((await browser.get('/demo-api/x', { authorization: `Bearer ${String(issued.token)}` })).status, 401)
  const { json: forged } = await call('POST', 'tokens/forge', { claims: { aud: 'me' }, key: 'unknown' })
  t.equal(decodeJwt(String(forged.token)).aud, 'me')
  const { json: logout } = await call('POST', 'tokens/logout', { user: 'bob@contoso.example', client: 'Gateway', sid: 's' })
  t.match(decodeJwt(String(logout.token)), { sid: 's', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })
  t.equal((await call('GET', 'issued')).status, 200)
})

t.test('the clock rules lives, iat and the Date header', async (t) => {
  const { entra, browser } = await startWorld(t, { admin: true })
  const call = client(t, entra)
  await call('POST', 'clock', { setIso: '2030-06-01T12:00:00Z', freeze: true })
  t.strictSame((await call('POST', 'clock', { advanceSeconds: 60 })).json, { now: '2030-06-01T12:01:00.000Z' })
  const answer = await redeem(browser, headlessCode(entra, { scope: 'openid' }))
  t.equal(answer.headers.get('date'), 'Sat, 01 Jun 2030 12:01:00 GMT')
  t.equal(decodeJwt(String(answer.json.id_token)).iat, Date.parse('2030-06-01T11:56:00Z') / 1000)
  await call('POST', 'clock', { freeze: false })
  t.ok(entra.admin.clock.now() >= Date.parse('2030-06-01T12:01:00Z'))
})

t.test('snapshot and restore keep sessions, tokens, clock and keys', async (t) => {
  const { entra, browser } = await startWorld(t, { admin: true })
  const call = client(t, entra)
  const { json } = await redeem(browser, headlessCode(entra, { scope: 'openid offline_access api://orders/Orders.Read' }))
  const { json: snapshot } = await call('POST', 'snapshot')
  await call('POST', 'reset')
  await entra.admin.rotateKeys('emergency')
  await entra.admin.rotateKeys('emergency')
  const refresh = () => postToken(browser, { grant_type: 'refresh_token', refresh_token: String(json.refresh_token), scope: 'api://orders/Orders.Read' })
  const call2 = () => browser.get('/demo-api/x', { authorization: `Bearer ${String(json.access_token)}` })
  t.match((await refresh()).json, { error_codes: [70000] })
  t.equal((await call2()).status, 401)
  t.equal((await call('POST', 'restore', snapshot)).status, 200)
  t.equal((await refresh()).status, 200)
  t.equal((await call2()).status, 200)
  t.equal((await call('POST', 'restore', { version: 7 })).status, 400)
})

t.test('the request log counts, filters and masks', async (t) => {
  const { entra, browser } = await startWorld(t, { admin: true })
  const call = client(t, entra)
  await redeem(browser, headlessCode(entra, { scope: 'openid' }))
  const entries = (await call('GET', 'requests?since=0')).json as unknown as { id: number, endpoint: string, status: number, parameters: Record<string, string> }[]
  const token = entries.find(({ endpoint }) => endpoint === 'token')!
  t.match(token, { status: 200, parameters: { grant_type: 'authorization_code', client_secret: '***', code: /^sha256:[0-9a-f]{12}$/, redirect_uri: CALLBACK } })
  const later = (await call('GET', `requests?since=${token.id}`)).json as unknown as { id: number }[]
  t.ok(later.every(({ id }) => id > token.id))
})

t.test('faults', async (t) => {
  const { entra, browser } = await startWorld(t, { admin: true })
  const call = client(t, entra)
  const code = () => headlessCode(entra, { scope: 'openid' })
  const fault = async (order: Record<string, unknown>) => { t.equal((await call('POST', 'faults', { endpoint: 'token', ...order })).status, 200) }

  await fault({ status: 429, headers: { 'retry-after': '7' }, body: { error: 'busy' }, times: 2 })
  for (let attempt = 0; attempt < 2; attempt++) {
    const throttled = await redeem(browser, code())
    t.match([throttled.status, throttled.headers.get('retry-after'), throttled.json], [429, '7', { error: 'busy' }])
  }
  t.equal((await redeem(browser, code())).status, 200, 'times is over')

  await fault({ action: 'html' })
  await t.rejects(redeem(browser, code()), { name: 'SyntaxError' })
  await fault({ action: 'reset' })
  await t.rejects(redeem(browser, code()), { message: 'fetch failed' })
  await fault({ aadsts: 50076, claims: { access_token: {} }, suberror: null, match: { grant_type: 'authorization_code' } })
  const refused = await redeem(browser, code())
  t.match(refused.json, { error: 'invalid_grant', error_codes: [50076], claims: '{"access_token":{}}' })
  t.notOk('suberror' in refused.json)
  await fault({ merge: { client_info: null, scope: 'x' }, delayMs: 50 })
  const before = performance.now()
  t.match(await redeem(browser, code(), { client_info: '1' }).then(({ json }) => json), { scope: 'x', client_info: undefined })
  t.ok(performance.now() - before >= 45)
  await fault({ idToken: { claims: { aud: 'somebody else', nonce: null }, key: 'unknown' } })
  t.equal(decodeJwt(String((await redeem(browser, code())).json.id_token)).aud, 'somebody else')
  t.equal((await call('POST', 'faults', { endpoint: 'token', aadsts: 1 })).status, 400)
  await fault({ action: 'hang' })
  t.equal((await call('DELETE', 'faults')).status, 200)
  t.equal((await redeem(browser, code())).status, 200, 'faults can be cleared')
})

t.test('a hanging request does not keep the emulator from closing', async (t) => {
  const { entra, browser } = await startWorld(t, { port: 0 })
  entra.admin.fault({ endpoint: 'jwks', action: 'hang' })
  const hanging = browser.get('/common/discovery/v2.0/keys')
  const failed = t.rejects(hanging)
  await until('the request', () => entra.requests().length > 0)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(entra.requests().at(-1)?.status, 0, 'it never got an answer')
  await entra.close()
  await failed
})

t.test('a fault at /authorize takes the form of an authorize error', async (t) => {
  const { entra, browser } = await startWorld(t)
  entra.admin.fault({ endpoint: 'authorize', aadsts: 90033 })
  const { autologin } = await import('./support/authorize.ts')
  t.match(await autologin(browser), { error: 'temporarily_unavailable', error_description: /AADSTS90033/ })
})
