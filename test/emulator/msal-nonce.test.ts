/** Conformance check 11: the nonce, on both sides, on one side, and on none. */
import t from 'tap'
import { decodeJwt } from 'jose'
import { CALLBACK } from './support/msal.ts'
import { startWorld } from './support/world.ts'

t.test('the nonce of /authorize comes back in the ID token, and only then', async (t) => {
  const { entra, msal } = await startWorld(t)
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'] })
  const redeem = (sent: string | undefined, wanted: string | undefined) => {
    const nonce = sent === undefined ? {} : { nonce: sent }
    const { code } = entra.admin.login({ user: 'alice@contoso.example', client: 'Gateway', ...nonce })
    const request = { code, scopes: ['api://orders/Orders.Read'], redirectUri: CALLBACK }
    if (wanted === undefined) return msal().acquireTokenByCode(request)
    return msal().acquireTokenByCode({ ...request, nonce: wanted }, { code, nonce: wanted })
  }
  t.equal(decodeJwt((await redeem('n1', 'n1')).idToken).nonce, 'n1')
  t.notOk('nonce' in decodeJwt((await redeem(undefined, undefined)).idToken), 'no nonce was sent')
  await t.rejects(redeem('n1', 'n2'), { name: 'ClientAuthError', errorCode: 'nonce_mismatch' })
  await t.rejects(redeem(undefined, 'n2'), { name: 'ClientAuthError', errorCode: 'nonce_mismatch' })
})

t.test('an ID token of a refresh has no nonce', async (t) => {
  const { entra, msal } = await startWorld(t)
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'] })
  const client = msal()
  const { code } = entra.admin.login({ user: 'alice@contoso.example', client: 'Gateway', nonce: 'n1' })
  const scopes = ['api://orders/Orders.Read']
  const first = await client.acquireTokenByCode({ code, scopes, redirectUri: CALLBACK, nonce: 'n1' }, { code, nonce: 'n1' })
  const refreshed = await client.acquireTokenSilent({ account: first.account!, scopes, forceRefresh: true })
  t.notOk('nonce' in decodeJwt(refreshed.idToken))
})
