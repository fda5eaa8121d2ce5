/** The provider's signing keys: rollover, floods of unknown keys, and a provider that is away. */
import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { createProviderNetwork } from '../../src/identity/network.ts'
import { createSigningKeys, type SigningKeys } from '../../src/identity/signing-keys.ts'
import { fails } from './support/fails.ts'
import { createClock, type Clock } from './support/clock.ts'
import { createSigningPair, startProvider } from './support/provider.ts'

const first = await createSigningPair('first')
const second = await createSigningPair('second', 'https://login.example/{tenantid}/v2.0')

interface Bench {
  readonly keys: SigningKeys
  readonly clock: Clock
  /** What the provider lists; undefined when it is away. */
  listed: unknown[] | undefined
  fetches (): number
}

async function createBench (t: Test): Promise<Bench> {
  const entra = await startProvider(t)
  const clock = createClock(t)
  const network = createProviderNetwork({ origins: [entra.origin], ca: entra.ca, now: clock.now })
  t.teardown(network.close)
  const keys = createSigningKeys(network, clock.now)
  const bench: Bench = { keys, clock, listed: [first.jwk], fetches: () => entra.paths.length }
  entra.onDocument = () => bench.listed === undefined ? { status: 400, body: {} } : { body: { keys: bench.listed } }
  await bench.keys.refresh(`${entra.origin}/keys`)
  return bench
}

t.test('a listed key is found with its issuer, without another fetch', async t => {
  const bench = await createBench(t)
  bench.listed = [first.jwk, second.jwk]
  bench.clock.advance(31_000)
  t.match(await bench.keys.find('second'), { issuer: 'https://login.example/{tenantid}/v2.0' })
  t.match(await bench.keys.find('first'), { issuer: undefined })
  t.equal(bench.fetches(), 2)
})

t.test('a key that came by rollover is found after one fetch', async t => {
  const bench = await createBench(t)
  bench.listed = [second.jwk]
  t.equal(await bench.keys.find('second'), undefined, 'not within the cooldown')
  bench.clock.advance(30_000)
  t.ok(await bench.keys.find('second'))
  t.equal(await bench.keys.find('first'), undefined, 'a key that is not listed any more is not used any more')
})

t.test('a flood of unknown keys costs one fetch per cooldown', async t => {
  const bench = await createBench(t)
  bench.clock.advance(30_000)
  const names = Array.from({ length: 200 }, (_, n) => `made-up-${n}`)
  for (const found of await Promise.all(names.map(bench.keys.find))) t.equal(found, undefined)
  for (const name of names) await bench.keys.find(name)
  t.equal(bench.fetches(), 2)
})

t.test('C12.1 the last good set serves while the provider is away, for a day', async t => {
  const bench = await createBench(t)
  bench.listed = undefined
  bench.clock.advance(23 * 3_600_000)
  t.equal(await bench.keys.find('unknown'), undefined)
  t.ok(await bench.keys.find('first'))
  bench.clock.advance(3_600_000 + 1000)
  await fails(t, bench.keys.find('first'), { code: 'SG_PROVIDER_UNAVAILABLE' })
  bench.listed = [first.jwk]
  bench.clock.advance(30_000)
  t.ok(await bench.keys.find('first'), 'and again when it is back')
})

t.test('unusable keys are ignored, and do not replace usable ones', async t => {
  const bench = await createBench(t)
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
  const odd = [
    null, 7, 'key', {}, { ...weak, kid: 'weak' }, { ...curve, kid: 'curve' }, { ...second.jwk, use: 'enc', kid: 'enc' },
    { ...second.jwk, kid: 7 }, { kty: 'RSA', kid: 'empty', n: '', e: '' }, { kty: 'oct', kid: 'oct', k: 'AAAA' }
  ]
  bench.listed = [...odd, second.jwk]
  bench.clock.advance(30_000)
  t.ok(await bench.keys.find('second'))
  for (const kid of ['weak', 'curve', 'enc', 'empty', 'oct']) t.equal(await bench.keys.find(kid), undefined, kid)
  bench.listed = odd
  bench.clock.advance(30_000)
  await bench.keys.find('x')
  t.ok(await bench.keys.find('second'), 'a set without a usable key is no set')
})
