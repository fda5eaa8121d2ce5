/** Signing in, and the tokens that come of it. */
import t from 'tap'
import { createGateway, graph, orders, tokenOf } from './support/gateway.ts'
import { alice, startProvider, tenant } from './support/provider.ts'

t.test('a sign-in brings a token from its own record, then a ready one, synchronously', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  t.match(holder.account, { tid: tenant, oid: alice, homeAccountId: `${alice}.${tenant}` })
  const first = tokenOf(await provider.acquire(holder, orders))
  t.equal(first.source, 'cache')
  const second = provider.acquire(holder, orders)
  t.notOk(second instanceof Promise)
  t.match(second, { kind: 'token', source: 'ready', bearer: first.bearer })
  t.equal(entra.calls.length, 1, 'the code is the only token request')
})

t.test('a token for another resource comes of the same sign-in', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  const token = tokenOf(await provider.acquire(holder, graph))
  t.equal(token.source, 'refresh')
  t.match(token.bearer, /^Bearer at-\d+-User\.Read$/)
  t.equal(entra.calls[1]!.form.get('grant_type'), 'refresh_token')
  t.match(tokenOf(await provider.acquire(holder, orders)).bearer, /-api:\/\/orders\/Orders\.Read$/)
  t.equal(entra.calls.length, 2)
})
