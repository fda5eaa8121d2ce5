/** This file checks that a token that an API rejects is replaced behind it: once, when it is not new, and for that session. */
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createGateway, orders, tokenOf } from './support/gateway.ts'
import { startProvider } from './support/provider.ts'
import type { TokenOutcome } from '../../src/identity/provider.ts'

const minute = 60_000

async function start (t: Parameters<typeof startProvider>[0]) {
  const entra = await startProvider(t)
  const gateway = await createGateway(t, entra)
  const holder = await gateway.signIn()
  const current = async (of = holder): Promise<string> => tokenOf(await gateway.provider.acquire(of, orders)).bearer
  const first = await current()
  async function until (isSo: () => boolean): Promise<void> {
    for (let n = 0; n < 2000; n++, await delay(10)) if (isSo()) return
    throw new Error('it does not come to that')
  }
  return { ...gateway, entra, holder, current, first, until }
}

t.test('C6.6 a rejected token that is not new is replaced in the background, even by one that ends sooner', async t => {
  const { entra, provider, holder, clock, current, first, until } = await start(t)
  clock.advance(5 * minute)
  entra.expiresIn = 900
  provider.rejected(holder, orders, first)
  t.equal(tokenOf(provider.acquire(holder, orders) as TokenOutcome).bearer, first, 'nobody waits for it')
  await until(() => tokenOf(provider.acquire(holder, orders) as TokenOutcome).bearer !== first)
  t.equal(entra.calls.length, 2)
  t.not(await current(), first)
})

t.test('C6.6 at most one renewal for a token, and none for one that is new or not in use', async t => {
  const { entra, provider, holder, clock, current, first, until } = await start(t)
  provider.rejected(holder, orders, first)
  clock.advance(4 * minute)
  provider.rejected(holder, orders, first)
  clock.advance(minute)
  provider.rejected(holder, orders, 'Bearer another')
  provider.rejected({ ...holder, key: 'nobody.1' }, orders, first)
  await delay(50)
  t.equal(entra.calls.length, 1)
  for (let n = 0; n < 10; n++) provider.rejected(holder, orders, first)
  await until(() => entra.calls.length === 2)
  await delay(50)
  const second = await current()
  t.not(second, first)
  for (const bearer of [first, second]) provider.rejected(holder, orders, bearer)
  await delay(50)
  t.equal(entra.calls.length, 2)
  clock.advance(5 * minute)
  provider.rejected(holder, orders, second)
  await until(() => entra.calls.length === 3)
})

t.test('C6.6 a renewal that fails is not tried again at once; the rejected token stays until one succeeds', async t => {
  const { entra, provider, holder, clock, current, first, until } = await start(t)
  clock.advance(5 * minute)
  entra.onToken = () => ({ status: 503, body: {} })
  provider.rejected(holder, orders, first)
  await until(() => entra.calls.length === 2)
  await delay(50)
  provider.rejected(holder, orders, first)
  await delay(50)
  t.equal(entra.calls.length, 2)
  t.equal(await current(), first)
  entra.onToken = () => undefined
  clock.advance(2 * minute)
  provider.rejected(holder, orders, first)
  await until(() => entra.calls.length === 3)
})

t.test('another session of the user takes what the record holds by then', async t => {
  const { entra, provider, holder: first, holder, clock, current, first: bearer, until } = await start(t)
  const other = { ...holder, key: 'other.1' }
  t.equal(await current(other), bearer)
  clock.advance(5 * minute)
  provider.rejected(first, orders, bearer)
  await until(() => tokenOf(provider.acquire(first, orders) as TokenOutcome).bearer !== bearer)
  provider.rejected(other, orders, bearer)
  await until(() => tokenOf(provider.acquire(other, orders) as TokenOutcome).bearer !== bearer)
  t.equal(await current(other), await current(first))
  t.equal(entra.calls.length, 2)
})
