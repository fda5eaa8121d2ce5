/** ID tokens: the one that is accepted, and everything that must not be (security cases C5.8 to C5.12 and C5.15). */
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { base64url, CompactSign, exportJWK, SignJWT, UnsecuredJWT } from 'jose'
import t, { type Test } from 'tap'
import { verifyIdToken } from '../../src/identity/id-token.ts'
import { createProviderNetwork } from '../../src/identity/network.ts'
import type { ProviderTokenRules } from '../../src/identity/provider-token.ts'
import { createSigningKeys } from '../../src/identity/signing-keys.ts'
import { fails } from './support/fails.ts'
import { alice, client, createSigningPair, idToken, startProvider, tenant, type SigningPair } from './support/provider.ts'

const otherTenant = '55555555-5555-4555-8555-555555555555'
const personalTenant = '9188040d-6c67-4c5b-b112-36a304b66dad'
const nonce = 'nonce-1'
const iss = (tid: string): string => `https://login.example/${tid}/v2.0`
const seconds = (): number => Math.floor(Date.now() / 1000)

const good = await createSigningPair('good', iss('{tenantid}'))
const plain = await createSigningPair('no-issuer')
const tenantsOwn = await createSigningPair('tenants-own', iss(tenant))
const foreign = await createSigningPair('foreign', iss(otherTenant))
const unlisted = await createSigningPair('unlisted')

/** Several tenants are served, two of them let in. */
async function createRules (t: Test, listed: SigningPair[] = [good, plain, tenantsOwn, foreign]): Promise<ProviderTokenRules> {
  const entra = await startProvider(t)
  entra.onDocument = () => ({ body: { keys: listed.map(({ jwk }) => jwk) } })
  const network = createProviderNetwork({ origins: [entra.origin], ca: entra.ca, now: Date.now })
  t.teardown(network.close)
  const keys = createSigningKeys(network, Date.now)
  await keys.refresh(`${entra.origin}/keys`)
  const isAllowedTenant = (tid: string): boolean => tid === tenant
  return { clientId: client, issuer: iss('{tenantid}'), isAllowedTenant, keys, now: Date.now() }
}

/** A token that is fine but for what is laid over it. */
function tokenWith (claims: Record<string, unknown>, pair = good, header: Record<string, unknown> = {}): Promise<string> {
  return idToken(pair, { iss: iss(tenant), nonce, ...claims }, header)
}

t.test('a good token gives its claims', async t => {
  const rules = await createRules(t)
  for (const pair of [good, plain, tenantsOwn]) {
    const claims = await verifyIdToken(await tokenWith({ groups: ['g1'] }, pair), rules, { nonce })
    t.match(claims, { tid: tenant, oid: alice, sub: 'sub', iss: iss(tenant), groups: ['g1'] })
  }
})

t.test('a list of audiences that are all ours is fine with azp', async t => {
  const rules = await createRules(t)
  t.ok(await verifyIdToken(await tokenWith({ aud: [client] }), rules, { nonce }))
  t.ok(await verifyIdToken(await tokenWith({ aud: [client, client], azp: client }), rules, { nonce }))
})

t.test('C5.10, C5.15 60 s of skew are fine, ten minutes are not', async t => {
  const rules = await createRules(t)
  const at = seconds()
  t.ok(await verifyIdToken(await tokenWith({ iat: at + 50, nbf: at + 50 }), rules, { nonce }))
  t.ok(await verifyIdToken(await tokenWith({ iat: at - 500, nbf: at - 500, exp: at - 50 }), rules, { nonce }))
  for (const skew of [30_000, -30_000]) {
    t.ok(await verifyIdToken(await tokenWith({}), { ...rules, now: Date.now() + skew }, { nonce }))
  }
  for (const skew of [600_000, -600_000]) {
    await fails(t, verifyIdToken(await tokenWith({}), { ...rules, now: Date.now() + skew }, { nonce }), { code: 'SG_SIGN_IN_REFUSED' })
  }
  for (const skew of [600_000, -600_000, 3_600_000, -3_600_000, 86_400_000]) {
    const late = verifyIdToken(await tokenWith({}), { ...rules, now: Date.now() + skew }, { nonce })
    await fails(t, late, { cause: { code: /^clock skew/ } })
  }
})

t.test('a renewed token needs no nonce and may be older than a sign-in takes', async t => {
  const rules = await createRules(t)
  const at = seconds() - 3000
  t.ok(await verifyIdToken(await tokenWith({ nonce: undefined, iat: at, nbf: at }), rules, {}))
})

const at = seconds()
const refusedClaims: Record<string, Record<string, unknown>> = {
  'issuer of another tenant': { iss: iss(otherTenant) },
  'issuer elsewhere': { iss: iss(tenant).replace('login', 'evil') },
  'issuer with the template in it': { iss: iss('{tenantid}') },
  'no issuer': { iss: undefined },
  'v1 token': { ver: '1.0', iss: `https://sts.windows.net/${tenant}/` },
  'ver is a number': { ver: 2 },
  'tid is not a GUID': { tid: 'contoso.example', iss: iss('contoso.example') },
  'tid in capitals': { tid: tenant.replaceAll('1', 'A'), iss: iss(tenant.replaceAll('1', 'A')) },
  'no tid': { tid: undefined },
  'tid of another tenant under our issuer': { tid: otherTenant },
  'tenant that is not let in': { tid: otherTenant, iss: iss(otherTenant) },
  'personal account': { tid: personalTenant, iss: iss(personalTenant) },
  'audience of somebody else': { aud: otherTenant },
  'audience of us and somebody else': { aud: [client, otherTenant], azp: client },
  'two audiences without azp': { aud: [client, client] },
  'azp of somebody else': { azp: otherTenant },
  'no audience': { aud: undefined },
  'exp in the past': { iat: at - 500, nbf: at - 500, exp: at - 70 },
  'no exp': { exp: undefined },
  'exp without end': { exp: 1e300 },
  'exp negative': { exp: -1 },
  'exp as text': { exp: String(at + 3600) },
  'exp before iat': { iat: at, exp: at - 10 },
  'iat far away': { iat: 4_070_908_800, exp: 4_070_912_400 },
  'iat as text': { iat: String(at) },
  'no iat': { iat: undefined },
  'iat long ago': { iat: at - 3000, nbf: at - 3000 },
  'nbf in the future': { nbf: at + 600 },
  'no nbf': { nbf: undefined },
  'no sub': { sub: undefined },
  'empty sub': { sub: '' },
  'sub is a list': { sub: ['sub'] },
  'no oid': { oid: undefined },
  'oid is a number': { oid: 7 },
  'endless oid': { oid: 'x'.repeat(256) }
}

t.test('C5.9, C5.10, C5.11, mod_auth_openidc-2026-08-12 claims that are refused', async t => {
  const rules = await createRules(t)
  for (const [name, claims] of Object.entries(refusedClaims)) {
    // By a key that may sign for anyone: the claims themselves are wrong.
    await fails(t, verifyIdToken(await tokenWith(claims, plain), rules, { nonce }), { code: 'SG_SIGN_IN_REFUSED' }, name)
  }
})

t.test('C5.9 a tenant is a GUID, even where everyone is let in', async t => {
  const rules = { ...await createRules(t), isAllowedTenant: () => true }
  for (const tid of ['contoso.example', '', '../x', tenant.replaceAll('1', 'A'), `${tenant}/x`]) {
    const token = await tokenWith({ tid, iss: iss(tid) }, plain)
    await fails(t, verifyIdToken(token, rules, { nonce }), { code: 'SG_SIGN_IN_REFUSED' }, tid)
  }
})

t.test('C5.11 a nonce that is missing, another, or no text is a mismatch', async t => {
  const rules = await createRules(t)
  for (const value of [undefined, 'nonce-0', [nonce], '', 7]) {
    await fails(t, verifyIdToken(await tokenWith({ nonce: value }), rules, { nonce }), { code: 'SG_SIGN_IN_MISMATCH' })
  }
})

t.test('C5.8 keys that are refused', async t => {
  const rules = await createRules(t)
  const refuse = async (token: string, name: string, used = rules): Promise<unknown> =>
    await fails(t, verifyIdToken(token, used, { nonce }), { code: 'SG_SIGN_IN_REFUSED' }, name)
  await refuse(await tokenWith({}, foreign), 'a key that signs for another tenant')
  await refuse(await tokenWith({}, unlisted), 'a key nobody lists')
  await refuse(await tokenWith({}, { ...unlisted, kid: 'good' }), 'another key under a listed name')
  await refuse(await tokenWith({}, good, { kid: undefined }), 'no kid, several keys')
  await refuse(await tokenWith({}, good, { kid: undefined }), 'no kid, one key', await createRules(t, [good]))
  for (const kid of ['__proto__', 'constructor', '../good']) await refuse(await tokenWith({}, good, { kid }), `kid ${kid}`)
  const jwk = unlisted.jwk
  for (const header of [{ jwk }, { jku: 'https://evil.example/keys' }, { x5u: 'https://evil.example/c' }, { x5c: ['AAAA'] }]) {
    await refuse(await tokenWith({}, good, header), `header with ${Object.keys(header)[0]}, good signature`)
    await refuse(await tokenWith({}, { ...unlisted, kid: 'good' }, header), `header with ${Object.keys(header)[0]}, its signature`)
  }
  await refuse(await tokenWith({}, good, { crit: ['x'], x: 1 }).catch(() => 'a.b.c'), 'a critical extension nobody knows')
})

t.test('C5.8 algorithms and signatures that are refused', async t => {
  const rules = await createRules(t)
  const refuse = async (token: string, name: string): Promise<unknown> =>
    await fails(t, verifyIdToken(token, rules, { nonce }), { code: 'SG_SIGN_IN_REFUSED' }, name)
  const claims = { aud: client, iss: iss(tenant), iat: at, nbf: at, exp: at + 3600, tid: tenant, oid: alice, sub: 'sub', ver: '2.0', nonce }
  const sign = (alg: string, key: Parameters<SignJWT['sign']>[0]): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg, kid: 'good' }).sign(key)

  await refuse(new UnsecuredJWT(claims).encode(), 'alg none')
  const publicText = Buffer.from(JSON.stringify(await exportJWK(good.privateKey).then(({ n, e, kty }) => ({ n, e, kty }))))
  await refuse(await sign('HS256', createSecretKey(publicText)), 'HS256 with the public key as its secret')
  await refuse(await sign('HS256', createSecretKey(Buffer.alloc(32, 'gw-secret'))), 'HS256 with the client secret')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  for (const alg of ['RS384', 'PS256']) await refuse(await sign(alg, privateKey), alg)
  await refuse(await sign('ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey), 'ES256')

  const [header, payload, signature] = (await tokenWith({})).split('.') as [string, string, string]
  const changed = base64url.encode(JSON.stringify({ ...claims, oid: 'admin' }))
  await refuse(`${header}.${changed}.${signature}`, 'a changed payload')
  await refuse(`${header}.${payload}.`, 'no signature')
  await refuse(`${header}.${payload}.${signature.slice(0, -4)}AAAA`, 'a changed signature')
  await refuse(`${header}.${payload}`, 'two parts')
  await refuse('', 'nothing')
  await refuse('x'.repeat(70_000), 'endless')
  for (const body of ['[]', '"text"', 'null', '{', '7']) {
    const token = await new CompactSign(Buffer.from(body)).setProtectedHeader({ alg: 'RS256', kid: 'good' }).sign(good.privateKey)
    await refuse(token, `payload ${body}`)
  }
})

t.test('the cause of a refusal is for the log, not for the message', async t => {
  const rules = await createRules(t)
  const error = await fails(t, verifyIdToken(await tokenWith({ tid: otherTenant }), rules, { nonce }), { cause: { message: /tenant/ } })
  t.notMatch(error.message, /tenant/)
})
