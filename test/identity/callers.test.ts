/** How long a bearer token that was verified is believed, and that no token passes for another. */
import t from 'tap'
import { createCallers } from '../../src/identity/callers.ts'
import type { ApiCaller } from '../../src/identity/holder.ts'
import { keyRing } from './support/gateway.ts'
import { alice, bob, tenant } from './support/provider.ts'

function start () {
  const world = { now: 1e12, verified: 0, told: 0 }
  const identify = createCallers({
    keys: keyRing,
    now: () => world.now,
    onVerified: () => { world.told++ },
    async verify (token) {
      world.verified++
      if (token.startsWith('bad')) return { kind: 'refused', why: 'bad' }
      const claims = { iss: 'i', tid: tenant, oid: token.startsWith('bob') ? bob : alice, sub: 's' }
      return { kind: 'claims', claims, client: 'c', isApp: false, expiresAt: world.now + (token.endsWith('short') ? 60_000 : 3_600_000) }
    }
  })
  return { world, identify }
}

t.test('a token is verified once for all who come with it, and then known at once', async t => {
  const { world, identify } = start()
  const found = await Promise.all(Array.from({ length: 50 }, async () => await identify('alice')))
  t.equal(new Set(found).size, 1)
  t.match(found[0], { kind: 'caller', account: { tid: tenant, oid: alice }, token: 'alice', isApp: false })
  const again = identify('alice')
  t.notOk(again instanceof Promise)
  t.equal(again, found[0], 'the same object: what is written for its claims is written once')
  t.same([world.verified, world.told], [1, 1])
})

t.test('C14.7 no token passes for another, and none is in its name', async t => {
  const { identify } = start()
  const [one, other] = await Promise.all(['alice', 'bob'].map(async token => await identify(token))) as ApiCaller[]
  t.not(one!.key, other!.key)
  t.same([one!.account.oid, other!.account.oid], [alice, bob])
  t.match(one!.key, /^c:[\w-]{43}$/)
})

t.test('it is verified again after minutes, after its end, and by a clock that was set back', async t => {
  const { world, identify } = start()
  await identify('alice')
  await identify('alice short')
  t.equal(world.verified, 2)
  world.now += 59_999
  t.notOk(identify('alice short') instanceof Promise)
  world.now += 1
  t.ok(identify('alice short') instanceof Promise)
  world.now += 239_999
  t.notOk(identify('alice') instanceof Promise)
  world.now += 1
  t.ok(identify('alice') instanceof Promise)
  await identify('alice')
  world.now -= 1
  t.ok(identify('alice') instanceof Promise)
})

t.test('one that is refused is nobody, and forgotten', async t => {
  const { world, identify } = start()
  for (let i = 0; i < 3; i++) t.same(await identify('bad'), { kind: 'refused', why: 'bad' })
  t.same([world.verified, world.told], [3, 0])
})

t.test('a token that was never found good is announced before it is verified, and left alone when that throws', async t => {
  const { world, identify } = start()
  const refuse = (): never => { throw new RangeError('not now') }
  t.throws(() => identify('alice', refuse), RangeError)
  t.equal(world.verified, 0)
  const told: string[] = []
  await identify('alice', () => { told.push('alice') })
  await identify('bad', () => { told.push('bad') })
  t.same(told, ['alice', 'bad'])
  t.match(identify('alice', refuse), { kind: 'caller' })
  world.now += 300_000
  t.match(await identify('alice', refuse), { kind: 'caller' }, 'verified again')
  t.throws(() => identify('bad', refuse), RangeError)
})
