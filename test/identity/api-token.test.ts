/** Bearer tokens of API clients: the ones that are accepted, and everything that must not be. */
import { UnsecuredJWT } from 'jose'
import t, { type Test } from 'tap'
import { type ApiTokenRules, parseApiClaims, verifyApiToken } from '../../src/identity/api-token.ts'
import { createProviderNetwork } from '../../src/identity/network.ts'
import { createSigningKeys } from '../../src/identity/signing-keys.ts'
import { createV1Issuer, parseV1Issuer } from '../../src/identity/v1-issuer.ts'
import { errors } from '../../src/errors.ts'
import { fails } from './support/fails.ts'
import { alice, client, createSigningPair, idToken, metadataOf, startProvider, tenant } from './support/provider.ts'

const otherTenant = '55555555-5555-4555-8555-555555555555'
const caller = '66666666-6666-4666-8666-666666666666'
const iss = (tid: string): string => `https://login.example/${tid}/v2.0`
const v1iss = (tid: string): string => `https://sts.example/${tid}/`

const good = await createSigningPair('good', iss('{tenantid}'))
const plain = await createSigningPair('no-issuer')
const foreign = await createSigningPair('foreign', iss(otherTenant))
const unlisted = await createSigningPair('unlisted')

async function createRules (t: Test): Promise<ApiTokenRules> {
  const entra = await startProvider(t)
  entra.onDocument = () => ({ body: { keys: [good, plain, foreign].map(({ jwk }) => jwk) } })
  const network = createProviderNetwork({ origins: [entra.origin], ca: entra.ca, now: Date.now })
  t.teardown(network.close)
  const keys = createSigningKeys(network, Date.now)
  await keys.refresh(`${entra.origin}/keys`)
  return {
    clientId: client,
    issuer: iss('{tenantid}'),
    isAllowedTenant: tid => tid === tenant,
    keys,
    now: Date.now(),
    issuerOfV1: async () => v1iss('{tenantid}')
  }
}

type Members = Record<string, unknown>

/** A user's access token of version 2 but for what is laid over it. */
function tokenWith (claims: Members, pair = good, header: Members = {}): Promise<string> {
  return idToken(pair, { iss: iss(tenant), azp: caller, azpacr: '0', scp: 'access_as_user', ...claims }, header)
}

const v1 = { ver: '1.0', iss: v1iss(tenant), aud: `api://${client}`, azp: undefined, appid: caller, azpacr: undefined }
const app = { scp: undefined, oid: caller, sub: caller, roles: ['Jobs.Run'] }

t.test('C14.1 a token of a user is one, in both versions and under both names of the gateway', async t => {
  const rules = await createRules(t)
  for (const claims of [{}, { aud: `api://${client}` }, { idtyp: 'user' }, v1, { ...v1, aud: client }]) {
    for (const pair of [good, plain]) {
      const verified = await verifyApiToken(await tokenWith(claims, pair), rules)
      t.match(verified, { kind: 'claims', isApp: false, client: caller, claims: { tid: tenant, oid: alice } }, JSON.stringify(claims))
    }
  }
  for (const typ of ['JWT', 'at+jwt', 'application/at+jwt']) {
    t.match(await verifyApiToken(await tokenWith({}, good, { typ }), rules), { kind: 'claims' }, typ)
  }
})

t.test('a token of an app without user is known as that, in both versions', async t => {
  const rules = await createRules(t)
  for (const claims of [app, { ...app, idtyp: 'app' }, { ...v1, ...app }, { ...v1, ...app, idtyp: 'app' }, { ...app, roles: undefined }]) {
    t.match(await verifyApiToken(await tokenWith(claims), rules), { kind: 'claims', isApp: true, client: caller, claims: { oid: caller } }, JSON.stringify(claims))
  }
})

t.test('it is good until it expires, and a minute of skew longer', async t => {
  const rules = await createRules(t)
  const exp = Math.floor(Date.now() / 1000) + 1000
  t.match(await verifyApiToken(await tokenWith({ exp }), rules), { expiresAt: (exp + 60) * 1000 })
})

const at = Math.floor(Date.now() / 1000)
const refusedClaims: Record<string, Members> = {
  'C14.2 an ID token': { scp: undefined, azp: undefined, azpacr: undefined, nonce: 'n' },
  'C14.2 a renewed ID token, without nonce': { scp: undefined, azp: undefined, azpacr: undefined },
  'C14.2 an ID token with app roles': { scp: undefined, azp: undefined, azpacr: undefined, roles: ['Admin'] },
  'C14.2 an ID token of the gateway as azp, with app roles': { scp: undefined, azp: client, roles: ['Admin'] },
  'C14.2 an ID token of authorize': { at_hash: 'x' },
  'C14.2 an ID token with a code': { c_hash: 'x' },
  'C14.2 an ID token that names a scope': { nonce: 'n' },
  'no scope and no app': { scp: undefined },
  'an empty scope': { scp: '' },
  'a scope as a list': { scp: ['access_as_user'] },
  'a user\'s and an app\'s at once': { idtyp: 'app' },
  'a device': { idtyp: 'device' },
  'an app that is called a user': { ...app, idtyp: 'user' },
  'bound to a key': { cnf: { jwk: {} } },
  'one that the gateway got for a user': { azp: client },
  'one that the gateway got for a user, version 1': { ...v1, appid: client },
  'one that the gateway got for itself': { ...app, azp: client },
  'one that the gateway got for itself, version 1': { ...v1, ...app, appid: client },
  'no client': { azp: undefined },
  'the client claim of the other version': { azp: undefined, appid: caller },
  'the client claim of the other version, 1': { ...v1, appid: undefined, azp: caller },
  'no version': { ver: undefined },
  'version 3': { ver: '3.0' },
  'version as a number': { ver: 2 },
  'a version that objects have': { ver: 'constructor' },
  'for Graph': { aud: '00000003-0000-0000-c000-000000000000' },
  'for another API': { aud: 'api://orders' },
  'for another API that begins like ours': { aud: `api://${client}/x` },
  'for ours in capitals': { aud: `API://${client}` },
  'for us and another': { aud: [client, 'api://orders'] },
  'for us in a list': { aud: [client] },
  'for nobody': { aud: undefined },
  'of another tenant': { tid: otherTenant, iss: iss(otherTenant) },
  'of another tenant by its tid alone': { tid: otherTenant },
  'of another tenant by its issuer alone': { iss: iss(otherTenant) },
  'of elsewhere': { iss: iss(tenant).replace('login', 'evil') },
  'of version 1, issued as version 2': { ...v1, iss: iss(tenant) },
  'of version 2, issued as version 1': { iss: v1iss(tenant) },
  'of version 1 and another tenant': { ...v1, tid: otherTenant, iss: v1iss(otherTenant) },
  'of version 1 and another tenant\'s issuer': { ...v1, iss: v1iss(otherTenant) },
  'of version 1 without the slash': { ...v1, iss: v1iss(tenant).slice(0, -1) },
  'tid is not a GUID': { tid: 'contoso.example', iss: iss('contoso.example') },
  'no tid': { tid: undefined },
  'no oid': { oid: undefined },
  'oid is a number': { oid: 7 },
  'no sub': { sub: undefined },
  expired: { iat: at - 500, nbf: at - 500, exp: at - 70 },
  'not valid yet': { nbf: at + 600 },
  'issued in the future': { iat: at + 600, exp: at + 3600 },
  'without exp': { exp: undefined },
  'without nbf': { nbf: undefined },
  'without iat': { iat: undefined },
  'for ever': { exp: at + 30 * 86_400 },
  'exp as text': { exp: String(at + 3600) }
}

t.test('C14.1, C14.2, C14.3 claims that are refused', async t => {
  const rules = await createRules(t)
  for (const [name, claims] of Object.entries(refusedClaims)) {
    // By a key that may sign for anyone: the claims themselves are wrong.
    t.match(await verifyApiToken(await tokenWith(claims, plain), rules), { kind: 'refused', why: /./ }, name)
  }
})

t.test('the gateway is known as the client of a token also where it is written in capitals', async t => {
  const clientId = 'ABCDEFAB-2222-4222-8222-222222222222'
  const rules = { ...await createRules(t), clientId }
  const aud = `api://${clientId}`
  t.match(await verifyApiToken(await tokenWith({ aud }), rules), { kind: 'claims' })
  t.match(await verifyApiToken(await tokenWith({ aud, azp: clientId.toLowerCase() }), rules), { kind: 'refused' })
})

t.test('C14.1 keys, algorithms and shapes that are refused', async t => {
  const rules = await createRules(t)
  const refuse = async (token: string, name: string): Promise<void> => {
    t.match(await verifyApiToken(token, rules), { kind: 'refused', why: /./ }, name)
  }
  await refuse(await tokenWith({}, foreign), 'a key that signs for another tenant')
  await refuse(await tokenWith(v1, foreign), 'a key that signs for another tenant, version 1')
  await refuse(await tokenWith({}, unlisted), 'a key nobody lists')
  await refuse(await tokenWith({}, { ...unlisted, kid: 'good' }), 'another key under a listed name')
  for (const header of [{ jwk: unlisted.jwk }, { jku: 'https://evil.example/keys' }, { x5u: 'https://evil.example/c' }, { x5c: ['AAAA'] }]) {
    await refuse(await tokenWith({}, good, header), `header with ${Object.keys(header)[0]}`)
  }
  for (const typ of ['logout+jwt', 'id+jwt', 'pop', 'JWE', '']) await refuse(await tokenWith({}, good, { typ }), `typ ${typ}`)
  await refuse(await tokenWith({}, good, { typ: undefined }), 'no typ')
  await refuse(new UnsecuredJWT({ aud: client, iss: iss(tenant), tid: tenant, oid: alice, sub: 'x', scp: 'x', azp: caller, ver: '2.0' }).encode(), 'alg none')
  const [header, , signature] = (await tokenWith({})).split('.')
  await refuse(`${header}.${Buffer.from(JSON.stringify({ oid: 'admin' })).toString('base64url')}.${signature}`, 'a changed payload')
  await refuse('x'.repeat(70_000), 'endless')
})

t.test('keys or an issuer that cannot be had say nothing about the token', async t => {
  const rules = await createRules(t)
  const away = async (): Promise<never> => { throw new errors.SG_PROVIDER_UNAVAILABLE() }
  await fails(t, verifyApiToken(await tokenWith({}), { ...rules, keys: { find: away, refresh: away } }), { code: 'SG_PROVIDER_UNAVAILABLE' })
  await fails(t, verifyApiToken(await tokenWith(v1), { ...rules, issuerOfV1: away }), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.match(await verifyApiToken(await tokenWith({}), { ...rules, issuerOfV1: away }), { kind: 'claims' }, 'version 2 does not need it')
  t.match(await verifyApiToken(await tokenWith(v1, unlisted), { ...rules, issuerOfV1: away }), { kind: 'refused' }, 'only a genuine token asks for it')
})

t.test('at another provider than Entra ID only complete tokens count, of exactly its issuer', async t => {
  const issuer = 'https://contoso.ciamlogin.example/v2.0'
  const rules = { ...await createRules(t), issuer, other: { tid: tenant, userClaim: 'oid' } as const }
  t.match(await verifyApiToken(await tokenWith({ iss: issuer }, plain), rules), { kind: 'claims' })
  const incomplete = [{ tid: otherTenant }, { tid: undefined }, { oid: undefined }, v1]
    .map(claims => ({ ...claims, iss: issuer }))
  for (const claims of [{}, v1, ...incomplete]) {
    t.match(await verifyApiToken(await tokenWith(claims, plain), rules), { kind: 'refused' }, JSON.stringify(claims))
  }
  const bySub = { ...rules, other: { tid: tenant, userClaim: 'sub' } as const }
  t.match(await verifyApiToken(await tokenWith({ iss: issuer }, plain), bySub), { kind: 'refused' })
})

t.test('the issuer of version 1 is learned once, of the configured instance', async t => {
  for (const [tenantId, name] of [[tenant, tenant], ['contoso.example', tenant], ['organizations', '{tenantid}']] as const) {
    const entra = await startProvider(t)
    entra.onDocument = path => path === `/${tenantId}/.well-known/openid-configuration`
      ? { body: { ...metadataOf(entra.origin, tenantId), issuer: `https://sts.windows.net/${name}/` } }
      : undefined
    const network = createProviderNetwork({ origins: [entra.origin], ca: entra.ca, now: Date.now })
    t.teardown(network.close)
    const issuerOfV1 = createV1Issuer({ instance: `${entra.origin}/`, tenantId, network, now: Date.now })
    const learned = await Promise.all(Array.from({ length: 10 }, issuerOfV1))
    t.strictSame([...new Set(learned)], ['https://sts.windows.net/{tenantid}/'])
    t.equal(entra.paths.length, 1)
  }
})

t.test('an issuer of version 1 that cannot be learned is asked for again, but not by everybody at once', async t => {
  const entra = await startProvider(t)
  let clock = Date.now()
  const network = createProviderNetwork({ origins: [entra.origin], ca: entra.ca, now: () => clock })
  t.teardown(network.close)
  const issuerOfV1 = createV1Issuer({ instance: `${entra.origin}/`, tenantId: tenant, network, now: () => clock })
  for (let i = 0; i < 5; i++) await fails(t, issuerOfV1(), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.equal(entra.paths.length, 1)
  entra.onDocument = () => ({ body: { issuer: v1iss(tenant) } })
  clock += 31_000
  t.equal(await issuerOfV1(), v1iss('{tenantid}'))
})

t.test('an issuer that is no tenant\'s is none', async t => {
  for (const issuer of [undefined, 7, '', 'https://sts.windows.net/', 'https://sts.windows.net/common/', `http://sts.windows.net/${tenant}/`, `https://sts.windows.net/${tenant}`, iss(tenant)]) {
    t.throws(() => parseV1Issuer(issuer), TypeError, String(issuer))
  }
})

t.test('claims of any kind are claims or refused', async t => {
  for (const payload of [{}, { ver: null }, { scp: {} }, { ver: '2.0', tid: tenant, oid: [], sub: {}, iss: 1 }]) {
    t.match(parseApiClaims(payload as never), { kind: 'refused', why: /./ })
  }
})
