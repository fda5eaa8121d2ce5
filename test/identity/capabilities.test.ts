/** This file checks that the provider is told what the gateway can handle, in every request, and nothing by default. */
import t from 'tap'
import { createGateway, orders } from './support/gateway.ts'
import { startProvider } from './support/provider.ts'

const cp1 = { access_token: { xms_cc: { values: ['cp1'] } } }

t.test('cp1 goes along with sign-ins, redemptions, renewals and challenges', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra, { entra: { clientCapabilities: ['cp1'] } })
  const holder = await signIn()
  const url = new URL(await provider.signInUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43), scopes: [] }))
  t.match(JSON.parse(url.searchParams.get('claims')!), cp1)
  await provider.acquire(holder, orders, '{"access_token":{"acrs":{"value":"c1"}}}')
  t.match(entra.calls.map(({ form }) => JSON.parse(form.get('claims')!)), [cp1, { access_token: { acrs: { value: 'c1' }, ...cp1.access_token } }])
})

t.test('nothing is promised that the config does not say', async t => {
  const entra = await startProvider(t)
  const { provider, signIn } = await createGateway(t, entra)
  await signIn()
  const url = new URL(await provider.signInUrl({ state: 's', nonce: 'n', codeChallenge: 'c'.repeat(43), scopes: [] }))
  for (const claims of [url.searchParams.get('claims'), entra.calls[0]!.form.get('claims')]) t.notMatch(claims ?? '', /xms_cc|cp1/)
})
