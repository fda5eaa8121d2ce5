/** Conformance check 14: signing keys rotate, and what a verifier notices of it. */
import t from 'tap'
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose'
import { Agent, fetch } from 'undici'
import { CONTOSO } from './support/msal.ts'
import { startWorld } from './support/world.ts'

interface Jwks { keys: Record<string, unknown>[] }

t.test('the JWKS has the shape of the live one', async (t) => {
  const { entra, browser } = await startWorld(t)
  const { keys } = JSON.parse((await browser.get(`/${CONTOSO}/discovery/v2.0/keys`)).body) as Jwks
  t.ok(keys.length >= 2, 'current and next')
  for (const key of keys) {
    t.strictSame(Object.keys(key).sort(), ['e', 'issuer', 'kid', 'kty', 'n', 'use', 'x5c', 'x5t'], 'no alg')
    t.equal(key.kid, key.x5t)
    t.equal(String(key.kid).length, 27)
    t.equal(key.issuer, `${entra.origin}/${CONTOSO}/v2.0`)
  }
  const common = JSON.parse((await browser.get('/common/discovery/v2.0/keys')).body) as Jwks
  t.equal(common.keys[0]?.issuer, `${entra.origin}/{tenantid}/v2.0`)
})

t.test('a normal rotation keeps old tokens valid, an emergency one does not', async (t) => {
  const { entra, browser } = await startWorld(t)
  const kids = async () => (JSON.parse((await browser.get('/common/discovery/v2.0/keys')).body) as Jwks).keys.map(({ kid }) => kid)
  const token = await entra.admin.token({ user: 'alice@contoso.example', client: 'Gateway', scope: 'api://orders/Orders.Read' })
  const call = async () => (await browser.get('/demo-api/orders', { authorization: `Bearer ${token}` })).status
  const signer = decodeProtectedHeader(token).kid
  const announced = (await kids())[1]
  t.equal(await call(), 200)
  await entra.admin.rotateKeys('normal')
  t.equal((await kids())[0], announced, 'the announced key signs now')
  t.ok((await kids()).includes(signer))
  t.equal(await call(), 200)
  await entra.admin.rotateKeys('emergency')
  t.notOk((await kids()).includes(signer))
  t.equal(await call(), 401)
})

t.test('jose fetches the keys again for an unknown kid, but not for each of them', async (t) => {
  const { entra } = await startWorld(t)
  const dispatcher = new Agent({ connect: { ca: entra.caPem } })
  t.teardown(() => dispatcher.close())
  const jwks = createRemoteJWKSet(new URL(`${entra.origin}/common/discovery/v2.0/keys`), {
    cooldownDuration: 30_000,
    [customFetch]: (url, options) => fetch(url, { ...options, dispatcher } as never) as never
  })
  const fetches = () => entra.requests().filter(({ endpoint }) => endpoint === 'jwks').length
  const verify = async (token: string) => await jwtVerify(token, jwks, { algorithms: ['RS256'] })
  await verify(await entra.admin.forge({ key: 'good' }))
  t.equal(fetches(), 1)
  for (let attempt = 0; attempt < 3; attempt++) {
    await t.rejects(verify(await entra.admin.forge({ key: 'unknown' })), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  }
  t.equal(fetches(), 1, 'the cooldown holds back a flood of unknown kids')
  await t.rejects(verify(await entra.admin.forge({ key: 'expired' })), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  const { kid } = decodeProtectedHeader(await entra.admin.forge({ key: 'good' }))
  await t.rejects(verify(await entra.admin.forge({ key: 'unknown', header: { kid } })), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
  await t.rejects(verify(await entra.admin.forge({ key: 'none' })), { code: 'ERR_JOSE_ALG_NOT_ALLOWED' })
})
