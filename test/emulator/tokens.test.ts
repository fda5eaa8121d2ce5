/** What is inside the tokens: v1 and v2, groups, guests, Graph. */
import t from 'tap'
import { decodeJwt, decodeProtectedHeader, jwtVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { configWith } from './support/config.ts'
import { CONTOSO, GATEWAY, ORDERS, signIn } from './support/msal.ts'
import { startWorld } from './support/world.ts'

const GRAPH = 'https://graph.microsoft.com'

t.test('an ID token verifies, and lies 300 seconds in the past', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const { idToken } = await signIn(msal(), browser)
  const jwks = JSON.parse((await browser.get(`/${CONTOSO}/discovery/v2.0/keys`)).body) as JSONWebKeySet
  const options = { algorithms: ['RS256'], issuer: `${entra.origin}/${CONTOSO}/v2.0`, audience: GATEWAY }
  const { payload, protectedHeader } = await jwtVerify(idToken, createLocalJWKSet(jwks), options)
  t.strictSame(Object.keys(protectedHeader).sort(), ['alg', 'kid', 'typ'])
  const now = Math.floor(Date.now() / 1000)
  t.ok(Math.abs(now - 300 - payload.iat!) <= 2 && payload.iat === payload.nbf)
  t.ok(Math.abs(now + 3600 - payload.exp!) <= 2)
  t.match(payload, { sid: String, login_hint: /^O\./, email: 'alice@contoso.example', sub: /^[\w-]{43}$/, tid: CONTOSO })
  t.notOk('amr' in payload || 'acrs' in payload || 'upn' in payload)
})

t.test('sub is pairwise, oid is not', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const id = decodeJwt((await signIn(msal(), browser)).idToken)
  const access = decodeJwt(await entra.admin.token({ user: 'alice@contoso.example', client: 'Gateway', scope: 'api://orders/Orders.Read' }))
  t.equal(id.oid, access.oid)
  t.not(id.sub, access.sub)
})

t.test('groups: absent, listed up to 200, overage above', async (t) => {
  const { browser, msal } = await startWorld(t)
  const claims = async (upn: string) => decodeJwt((await signIn(msal(), browser, { upn, extra: { prompt: 'select_account' } })).idToken)
  t.notOk('groups' in await claims('groups-0@contoso.example'))
  t.equal(((await claims('groups-6@contoso.example')).groups as string[]).length, 6)
  t.equal(((await claims('groups-200@contoso.example')).groups as string[]).length, 200)
  const overage = await claims('groups@contoso.example')
  t.notOk('groups' in overage)
  t.match(overage, { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: /getMemberObjects$/ } } })
})

t.test('a guest has the resource tenant in the token and the home tenant in client_info', async (t) => {
  const { entra, browser, msal } = await startWorld(t)
  const result = await signIn(msal(), browser, { upn: 'guest@fabrikam.example' })
  const { tid, oid, idp } = decodeJwt(result.idToken)
  t.equal(tid, CONTOSO)
  t.match(idp, '99999999-9999-4999-8999-999999999999')
  const [uid, utid] = result.account!.homeAccountId.split('.')
  t.equal(utid, '99999999-9999-4999-8999-999999999999')
  t.not(uid, oid)
  t.ok(JSON.stringify(entra.admin.state()).includes(uid!))
})

t.test('organizations: the tenant is the one of the user', async (t) => {
  const { browser, msal } = await startWorld(t, { config: configWith({ apps: { Gateway: { audience: 'multi' } } }) })
  const scopes = ['User.Read']
  const result = await signIn(msal({ tenant: 'organizations' }), browser, { upn: 'fred@fabrikam.example', scopes })
  t.equal(decodeJwt(result.idToken).tid, '99999999-9999-4999-8999-999999999999')
  t.equal(result.tenantId, '99999999-9999-4999-8999-999999999999')
})

t.test('a Graph token is v1, with a nonce that only Graph can undo', async (t) => {
  const { entra, browser } = await startWorld(t)
  const token = await entra.admin.token({ user: 'alice@contoso.example', client: 'Gateway', scope: `openid ${GRAPH}/User.Read` })
  t.match(decodeProtectedHeader(token), { nonce: String, x5t: String })
  const claims = decodeJwt(token)
  t.match(claims, { aud: GRAPH, ver: '1.0', appid: GATEWAY, scp: 'User.Read', upn: 'alice@contoso.example', iss: `${entra.origin}/${CONTOSO}/` })
  const jwks = JSON.parse((await browser.get('/common/discovery/v2.0/keys')).body) as JSONWebKeySet
  await t.rejects(jwtVerify(token, createLocalJWKSet(jwks)), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })

  const authorization = `Bearer ${token}`
  t.match(JSON.parse((await browser.get('/v1.0/me', { authorization })).body), { displayName: 'Alice Andersson', userPrincipalName: 'alice@contoso.example' })
  t.match(JSON.parse((await browser.get('/v1.0/me/memberOf', { authorization })).body), { value: [{ id: '77777777-7777-4777-8777-777777777771' }] })
  const groups = await browser.post('/v1.0/me/getMemberObjects', {}, { authorization })
  t.strictSame(JSON.parse(groups.body), { value: ['77777777-7777-4777-8777-777777777771'] })
  t.equal((await browser.get('/oidc/userinfo', { authorization })).status, 403, 'the token has no openid')
  const other = await entra.admin.token({ user: 'alice@contoso.example', client: 'Gateway', scope: 'api://orders/Orders.Read' })
  t.equal((await browser.get('/v1.0/me', { authorization: `Bearer ${other}` })).status, 401, 'a token for another API')
})

t.test('UserInfo has the sub of the ID token', async (t) => {
  const { browser, msal } = await startWorld(t)
  const result = await signIn(msal(), browser, { scopes: [], askedScopes: ['email'] })
  const info = JSON.parse((await browser.get('/oidc/userinfo', { authorization: `Bearer ${result.accessToken}` })).body) as Record<string, string>
  t.equal(info.sub, decodeJwt(result.idToken).sub)
  t.match(info, { name: 'Alice Andersson', given_name: 'Alice', family_name: 'Andersson', email: 'alice@contoso.example' })
})

t.test('every API gets what its registration asks for', async (t) => {
  const config = configWith({ apps: { 'Reports API': { accessTokenVersion: 1, optionalClaims: { accessToken: ['idtyp'] } } } })
  const { entra } = await startWorld(t, { config })
  const v1 = decodeJwt(await entra.admin.token({ user: 'alice@contoso.example', client: 'Gateway', scope: 'api://reports/Reports.Read' }))
  t.match(v1, { aud: 'api://reports', ver: '1.0', unique_name: 'alice@contoso.example' })
  const v2 = decodeJwt(await entra.admin.token({ user: 'alice@contoso.example', client: 'Gateway', scope: 'api://orders/Orders.Read' }))
  t.match(v2, { aud: ORDERS, ver: '2.0', roles: ['Orders.Admin'], preferred_username: 'alice@contoso.example' })
})
