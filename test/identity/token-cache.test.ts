/** Records of accounts, and MSAL's cache in them. */
import t, { type Test } from 'tap'
import type { TokenCacheContext } from '@azure/msal-node'
import { createAccountRecords, createPartition } from '../../src/identity/token-cache.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { keyRing } from './support/gateway.ts'

const now = (): number => 1000
const clientId = '22222222-2222-4222-8222-222222222222'
const account = { tid: '11111111-1111-4111-8111-111111111111', oid: '33333333-3333-4333-8333-333333333333' }

function createRecords (t: Test, client = clientId) {
  const store = createMemoryStore({ now })
  t.teardown(() => store.close())
  return { store, records: createAccountRecords({ store, keys: keyRing, clientId: client, now }) }
}

t.test('a partition is loaded once, and tells what MSAL saved', async t => {
  const loaded: string[] = []
  const tokenCache = { deserialize: (text: string) => { loaded.push(text) }, serialize: () => 'after' }
  const context = (cacheHasChanged: boolean) => ({ tokenCache, cacheHasChanged }) as unknown as TokenCacheContext
  const { plugin, changed } = createPartition('before')
  await plugin.beforeCacheAccess(context(false))
  await plugin.afterCacheAccess(context(false))
  t.equal(changed(), undefined)
  await plugin.beforeCacheAccess(context(true))
  await plugin.afterCacheAccess(context(true))
  t.equal(changed(), 'after')
  t.strictSame(loaded, ['before'])
  const scratch = createPartition('')
  await scratch.plugin.beforeCacheAccess(context(true))
  t.strictSame(loaded, ['before'], 'a sign-in starts from nothing')
})

t.test('CVE-2026-33496 an account has a name of its own at each client', async t => {
  const { records } = createRecords(t)
  const names = [
    account, { ...account, oid: account.tid }, { ...account, tid: account.oid }, { tid: account.oid, oid: account.tid }
  ].map(records.keyOf)
  names.push(createRecords(t, account.tid).records.keyOf(account))
  t.equal(new Set(names).size, names.length)
  t.equal(records.keyOf({ ...account }), names[0])
  for (const name of names) t.match(name, /^tc:\{[\w-]{43}\}$/)
})

t.test('a record is written over its own version only, and never created by that', async t => {
  const { records } = createRecords(t)
  const record = { sub: 's', endsAt: 9000, cache: '{}' }
  t.notOk(await records.compareAndSet('k', 1, record))
  await records.replace('k', record)
  const found = await records.read('k')
  t.strictSame(found, { ...record, version: 1 })
  t.ok(await records.compareAndSet('k', 1, { ...found!, cache: '{"a":1}' }))
  t.notOk(await records.compareAndSet('k', 1, record))
  t.strictSame(await records.read('k'), { ...record, cache: '{"a":1}', version: 2 })
})

t.test('a record goes by its version, or whatever it is', async t => {
  const { records } = createRecords(t)
  const record = { sub: 's', endsAt: 9000, cache: '{}' }
  await records.replace('k', record)
  t.notOk(await records.dropVersion('k', 2))
  t.ok(await records.read('k'))
  t.ok(await records.dropVersion('k', 1))
  t.equal(await records.read('k'), undefined)
  await records.replace('k', record)
  await records.drop('k')
  t.equal(await records.read('k'), undefined)
})

t.test('a record that does not open is none: a broken one goes by its version, one that another replica may open stays', async t => {
  const { store, records } = createRecords(t)
  const record = { sub: 's', endsAt: 9000, cache: '{}' }
  await records.replace('k', record)
  const { value } = (await store.read('k'))!
  const cases = [
    ['rubbish', false], [value.slice(0, -4), false], [`2${value.slice(1)}`, true], [value.replace(/^1\.[^.]+/, '1.later'), true]
  ] as const
  for (const [text, isKept] of cases) {
    await store.replace('k', text, 9000)
    t.equal(await records.read('k'), undefined)
    t.equal((await store.read('k'))?.value, isKept ? text : '')
    t.equal(await records.read('k'), undefined)
  }
})
