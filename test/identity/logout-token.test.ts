/** Logout tokens: the ones that are accepted, and everything that must not be (security.md, O and A11). */
import { SignJWT, UnsecuredJWT } from 'jose'
import t, { type Test } from 'tap'
import { verifyLogoutToken } from '../../src/identity/logout-token.ts'
import { createProviderNetwork } from '../../src/identity/network.ts'
import type { ProviderTokenRules } from '../../src/identity/provider-token.ts'
import { createSigningKeys } from '../../src/identity/signing-keys.ts'
import { fails } from './support/fails.ts'
import { client, createSigningPair, idToken, startProvider, tenant, type SigningPair } from './support/provider.ts'

const otherTenant = '55555555-5555-4555-8555-555555555555'
const event = 'http://schemas.openid.net/event/backchannel-logout'
const iss = (tid: string): string => `https://login.example/${tid}/v2.0`
const at = Math.floor(Date.now() / 1000)

const good = await createSigningPair('good', iss('{tenantid}'))
const plain = await createSigningPair('no-issuer')
const foreign = await createSigningPair('foreign', iss(otherTenant))
const unlisted = await createSigningPair('unlisted')

async function createRules (t: Test): Promise<ProviderTokenRules> {
  const entra = await startProvider(t)
  entra.onDocument = () => ({ body: { keys: [good, plain, foreign].map(({ jwk }) => jwk) } })
  const network = createProviderNetwork({ origins: [entra.origin], ca: entra.ca, now: Date.now })
  t.teardown(network.close)
  const keys = createSigningKeys(network, Date.now)
  await keys.refresh(`${entra.origin}/keys`)
  return { clientId: client, issuer: iss('{tenantid}'), isAllowedTenant: tid => tid === tenant, keys, now: at * 1000 }
}

const genuine = { iss: iss(tenant), aud: client, iat: at, exp: at + 120, jti: 'j1', events: { [event]: {} }, sub: 'sub', sid: 'sid' }

/** A token that is fine but for what is laid over it; undefined removes. */
async function tokenWith (
  claims: Record<string, unknown>, { kid, privateKey }: SigningPair = good, header: Record<string, unknown> = {}
): Promise<string> {
  return await new SignJWT(JSON.parse(JSON.stringify({ ...genuine, ...claims })))
    .setProtectedHeader(JSON.parse(JSON.stringify({ alg: 'RS256', typ: 'logout+jwt', kid, ...header })))
    .sign(privateKey)
}

t.test('a good token says who signed out, and by which name it is known', async t => {
  const rules = await createRules(t)
  const notice = await verifyLogoutToken(await tokenWith({}), rules)
  t.match(notice, { kind: 'logout', iss: iss(tenant), sid: 'sid', sub: 'sub' })
  if (notice.kind !== 'logout') return
  t.ok(notice.acceptableMs >= 600_000, 'remembered for as long as it is acceptable')
  const other = await verifyLogoutToken(await tokenWith({ jti: 'j2' }), rules)
  t.not(other.kind === 'logout' && other.id, notice.id)
})

const accepted: Record<string, Parameters<typeof tokenWith>> = {
  'only sid': [{ sub: undefined }],
  'only sub': [{ sid: undefined }],
  'no exp, as drafts had it': [{ exp: undefined }],
  'another event beside': [{ events: { [event]: {}, 'https://x.example/event': {} } }],
  'an event that says something': [{ events: { [event]: { reason: 'x' } } }],
  'a list of audiences that are all ours': [{ aud: [client] }],
  'a tid that agrees': [{ tid: tenant }],
  'a minute ahead': [{ iat: at + 59, exp: at + 179 }],
  'tried again for ten minutes': [{ iat: at - 599, exp: at + 1 }],
  'no typ': [{}, good, { typ: undefined }],
  'typ in full': [{}, good, { typ: 'application/logout+jwt' }],
  'typ in capitals': [{}, good, { typ: 'Logout+JWT' }],
  'a key without issuer': [{}, plain]
}

t.test('tokens that are accepted', async t => {
  const rules = await createRules(t)
  for (const [name, parts] of Object.entries(accepted)) {
    t.match(await verifyLogoutToken(await tokenWith(...parts), rules), { kind: 'logout' }, name)
  }
})

const refused: Record<string, Parameters<typeof tokenWith>> = {
  'issuer of another tenant': [{ iss: iss(otherTenant) }, plain],
  'issuer elsewhere': [{ iss: iss(tenant).replace('login', 'evil') }],
  'issuer with the template in it': [{ iss: iss('{tenantid}') }],
  'issuer with more behind': [{ iss: `${iss(tenant)}/` }],
  'no issuer': [{ iss: undefined }],
  'issuer is a list': [{ iss: [iss(tenant)] }],
  'tid of another tenant': [{ tid: otherTenant }],
  'audience of somebody else': [{ aud: otherTenant }],
  'audience of us and somebody else': [{ aud: [client, otherTenant] }],
  'no audience': [{ aud: undefined }],
  'no iat': [{ iat: undefined }],
  'iat as text': [{ iat: String(at) }],
  'iat 0': [{ iat: 0 }],
  'iat in the future': [{ iat: at + 90, exp: at + 210 }],
  'iat long ago': [{ iat: at - 700 }],
  'iat long ago, no exp': [{ iat: at - 700, exp: undefined }],
  'exp in the past': [{ iat: at - 300, exp: at - 90 }],
  'exp before iat': [{ exp: at - 10 }],
  'exp as text': [{ exp: String(at + 120) }],
  'nbf in the future': [{ nbf: at + 600 }],
  'no jti': [{ jti: undefined }],
  'empty jti': [{ jti: '' }],
  'jti is a number': [{ jti: 7 }],
  'endless jti': [{ jti: 'x'.repeat(256) }],
  'neither sid nor sub': [{ sid: undefined, sub: undefined }],
  'empty sid': [{ sid: '' }],
  'sid is a number': [{ sid: 7 }],
  'sub is a list': [{ sub: ['sub'] }],
  'empty sub': [{ sub: '' }],
  'sub is null': [{ sub: null }],
  'a nonce': [{ nonce: 'n' }],
  'a nonce that is null': [{ nonce: null }],
  'no events': [{ events: undefined }],
  'events is text': [{ events: event }],
  'events is a list': [{ events: [event] }],
  'events is null': [{ events: null }],
  'events of something else': [{ events: { 'https://x.example/event': {} } }],
  'the event with a slash': [{ events: { [`${event}/`]: {} } }],
  'the event is null': [{ events: { [event]: null } }],
  'the event is text': [{ events: { [event]: '' } }],
  'the event is a list': [{ events: { [event]: [] } }],
  'typ of an ID token': [{}, good, { typ: 'JWT' }],
  'typ of an access token': [{}, good, { typ: 'at+jwt' }],
  'typ is a number': [{}, good, { typ: 7 }],
  'a key that signs for another tenant': [{}, foreign],
  'a key nobody lists': [{}, unlisted],
  'another key under a listed name': [{}, { ...unlisted, kid: 'good' }],
  'no kid': [{}, good, { kid: undefined }],
  'a key that travels along': [{}, { ...unlisted, kid: 'good' }, { jwk: unlisted.jwk }],
  'an address to fetch a key from': [{}, good, { jku: 'https://evil.example/keys' }]
}

t.test('mod_auth_openidc-2026-08-07d tokens that are refused, each with a reason', async t => {
  const rules = await createRules(t)
  for (const [name, parts] of Object.entries(refused)) {
    const notice = await verifyLogoutToken(await tokenWith(...parts), rules)
    t.match(notice, { kind: 'refused', why: /./ }, name)
  }
})

t.test('what is no signed token at all is refused', async t => {
  const rules = await createRules(t)
  const { privateKey } = await createSigningPair('x')
  const unsigned = new UnsecuredJWT(genuine).encode()
  const [head, body] = (await tokenWith({})).split('.')
  for (const token of ['', '.', '..', 'a.b.c', unsigned, `${head}.${body}.`, `${head}.${body}`, 'x'.repeat(70_000), 'é.é.é']) {
    t.match(await verifyLogoutToken(token, rules), { kind: 'refused' }, token.slice(0, 20))
  }
  t.match(await verifyLogoutToken(await tokenWith({}, { ...good, privateKey }), rules), { kind: 'refused' })
})

t.test('an ID token is no logout token, whatever it is called', async t => {
  const rules = await createRules(t)
  for (const typ of ['JWT', 'logout+jwt']) {
    t.match(await verifyLogoutToken(await idToken(good, { iss: iss(tenant), jti: 'j1', sid: 'sid' }, { typ }), rules), { kind: 'refused' }, typ)
  }
})

t.test('a tenant that is no GUID has no issuer, even where everyone is let in', async t => {
  const rules = { ...await createRules(t), isAllowedTenant: () => true }
  for (const tid of ['contoso.example', '', '../x', tenant.replaceAll('1', 'A'), `${tenant}/x`]) {
    t.match(await verifyLogoutToken(await tokenWith({ iss: iss(tid) }, plain), rules), { kind: 'refused' }, tid)
  }
})

t.test('without keys nothing is said about a token', async t => {
  const rules = await createRules(t)
  const network = createProviderNetwork({ origins: ['https://localhost:1'], ca: undefined, now: Date.now })
  t.teardown(network.close)
  const keys = createSigningKeys(network, Date.now)
  await fails(t, verifyLogoutToken(await tokenWith({}), { ...rules, keys }), { code: 'SG_PROVIDER_UNAVAILABLE' })
})
