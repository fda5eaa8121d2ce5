/** Signing out, and that nothing brings tokens back. */
import t from 'tap'
import { createGateway, graph, orders, tokenOf } from './support/gateway.ts'
import { fails } from './support/fails.ts'
import { startProvider, tenant, tokens, type TokenCall } from './support/provider.ts'

const away = { postLogoutRedirectUri: 'http://localhost:8080/.auth/logout/done' }

t.test('it leads to the provider\'s sign-out', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  const holder = await signIn()
  const url = new URL(await provider.signOutUrl(holder, { ...away, loginHint: 'opaque', dropAccount: true }))
  t.equal(url.origin + url.pathname, `${entra.origin}/${tenant}/oauth2/v2.0/logout`)
  t.strictSame(Object.fromEntries(url.searchParams), { post_logout_redirect_uri: away.postLogoutRedirectUri, logout_hint: 'opaque' })
  t.equal(new URL(await provider.signOutUrl(undefined, { ...away, dropAccount: false })).searchParams.get('logout_hint'), null)
})

t.test('the last session of an account takes its record along', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, holder } = await createGateway(t, entra)
  const first = await signIn()
  const second = holder(first.account)
  for (const one of [first, second]) tokenOf(await provider.acquire(one, orders))
  await provider.signOutUrl(first, { ...away, dropAccount: true })
  for (const one of [first, second, holder(first.account)]) {
    t.match(await provider.acquire(one, orders), { kind: 'sign-in-needed', reason: 'sign_in_required' })
  }
  t.equal(entra.calls.length, 1)
})

t.test('another session of the account goes on', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, holder } = await createGateway(t, entra)
  const first = await signIn()
  const second = holder(first.account)
  for (const one of [first, second]) tokenOf(await provider.acquire(one, orders))
  await provider.signOutUrl(first, { ...away, dropAccount: false })
  t.match(await provider.acquire(first, orders), { kind: 'sign-in-needed', endSession: true })
  t.match(provider.acquire(second, orders), { source: 'ready' })
  t.match(await provider.acquire(second, graph), { source: 'refresh' })
})

for (const dropAccount of [true, false]) {
  t.test(`a renewal under way brings nothing back, dropAccount ${dropAccount}`, async t => {
    const entra = await startProvider(t)
    const { provider, signIn, holder } = await createGateway(t, entra)
    const first = await signIn()
    let answer = (): void => {}
    const asked = new Promise<void>(resolve => {
      entra.onToken = async ({ form }: TokenCall) => {
        resolve()
        await new Promise<void>(resolve => { answer = resolve })
        return { body: await tokens(entra, form) }
      }
    })
    const outcome = provider.acquire(first, graph)
    await asked
    await provider.signOutUrl(first, { ...away, dropAccount })
    answer()
    t.match(await outcome, { kind: 'sign-in-needed', reason: 'sign_in_required' })
    t.match(await provider.acquire(first, graph), { kind: 'sign-in-needed', endSession: true })
    const late = await provider.acquire(holder(first.account), orders)
    t.equal(late.kind, dropAccount ? 'sign-in-needed' : 'token')
  })
}

t.test('tokens are gone from this process even when the store does not answer', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, store } = await createGateway(t, entra)
  const holder = await signIn()
  tokenOf(await provider.acquire(holder, orders))
  store.delete = async () => { throw Object.assign(new Error('down'), { code: 'SG_STORE_UNAVAILABLE' }) }
  await fails(t, provider.signOutUrl(holder, { ...away, dropAccount: true }), { code: 'SG_STORE_UNAVAILABLE' })
  t.match(await provider.acquire(holder, orders), { kind: 'sign-in-needed' })
})

t.test('a sign-out before the provider is known still ends the tokens', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, store, clock } = await createGateway(t, entra)
  const holder = await signIn()
  const later = await startProvider(t)
  later.onDocument = () => ({ status: 404, body: {} })
  const restarted = await createGateway(t, later, { store, clock })
  await fails(t, restarted.provider.signOutUrl(holder, { ...away, dropAccount: true }), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.match(await provider.acquire(holder, orders), { kind: 'sign-in-needed' })
})
