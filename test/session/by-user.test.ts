/** This file checks that an account's tokens can go with its last session: not before, and not never. */
import t from 'tap'
import { createSessionsByUser } from '../../src/session/by-user.ts'
import { createKeyRing } from '../../src/store/key-ring.ts'
import type { Account, Session } from '../../src/session/session.ts'
import { account, sessionAt, sessionWorld } from './support.ts'

const hour = 3_600_000
const bob = { ...account, oid: '44444444-4444-4444-8444-444444444444' }

/** A session of an account. */
const of = (owner: Account): Session => ({ ...sessionAt(Date.now()), account: owner })

t.test('the last live session of an account is known as the last', async t => {
  const { store, keys, signIn } = sessionWorld(t)
  const byUser = createSessionsByUser(store, keys)
  const [a, b] = [await signIn(), await signIn()]
  await byUser.add(of(account), a.key, hour)
  await byUser.add(of(account), b.key, hour)
  await store.delete(a.key)
  t.equal(await byUser.remove(account, a.key), false)
  await store.delete(b.key)
  t.equal(await byUser.remove(account, b.key), true)
})

t.test('sessions that have expired do not count as live', async t => {
  const { store, keys, clock, signIn } = sessionWorld(t)
  const byUser = createSessionsByUser(store, keys)
  const old = await signIn()
  await byUser.add(of(account), old.key, 10 * hour)
  clock.advance(7200)
  const fresh = await signIn()
  await byUser.add(of(account), fresh.key, 10 * hour)
  await store.delete(fresh.key)
  t.equal(await byUser.remove(account, fresh.key), true)
})

t.test('accounts do not count each other\'s sessions', async t => {
  const { store, keys, signIn } = sessionWorld(t)
  const byUser = createSessionsByUser(store, keys)
  const [mine, his, elsewhere] = [await signIn(), await signIn(), await signIn()]
  await byUser.add(of(account), mine.key, hour)
  await byUser.add(of(bob), his.key, hour)
  await byUser.add(of({ ...account, tid: bob.oid }), elsewhere.key, hour)
  t.equal(await byUser.remove(account, mine.key), true, 'same user in another tenant, another user of the same tenant')
  t.equal(await byUser.remove(bob, his.key), true)
})

t.test('an account is its tenant and object id, whatever else changes', async t => {
  const { store, keys, signIn } = sessionWorld(t)
  const byUser = createSessionsByUser(store, keys)
  const [a, b] = [await signIn(), await signIn()]
  await byUser.add(of(account), a.key, hour)
  await byUser.add(of({ ...account, homeAccountId: 'guest', environment: 'elsewhere' }), b.key, hour)
  t.equal(await byUser.remove(account, a.key), false)
})

t.test('ending a session that the index does not know leaves the others', async t => {
  const { store, keys, signIn } = sessionWorld(t)
  const byUser = createSessionsByUser(store, keys)
  const a = await signIn()
  await byUser.add(of(account), a.key, hour)
  t.equal(await byUser.remove(account, 's:unknown'), false)
  t.equal(await byUser.remove(bob, 's:unknown'), true)
})

t.test('a store that fails is not taken for an account without sessions', async t => {
  const { store, keys } = sessionWorld(t, { members: async () => { throw new Error('down') } })
  await t.rejects(createSessionsByUser(store, keys).remove(account, 's:a'))
})

t.test('sessions from before a key rotation are counted under the key that they began with', async t => {
  const { store, signIn } = sessionWorld(t)
  const [k1, k2] = [{ id: 'k1', secret: Buffer.alloc(32, 1) }, { id: 'k2', secret: Buffer.alloc(32, 2) }]
  const began = { ...account, keyId: 'k1' }
  const [one, two] = [await signIn(), await signIn()]
  await createSessionsByUser(store, createKeyRing([k1!], 'gw')).add(of(began), one.key, hour)
  const rotated = createSessionsByUser(store, createKeyRing([k2!, k1!], 'gw'))
  await rotated.add(of(began), two.key, hour)
  await store.delete(two.key)
  t.equal(await rotated.remove(began, two.key), false, 'the other one still needs the account\'s tokens')
  await store.delete(one.key)
  t.equal(await rotated.remove(began, one.key), true)
})

t.test('a user is found by the subject that an issuer calls them, under every key of the ring, and nobody else is', async t => {
  const { store } = sessionWorld(t)
  const [k1, k2] = [{ id: 'k1', secret: Buffer.alloc(32, 1) }, { id: 'k2', secret: Buffer.alloc(32, 2) }]
  const carol = { ...account, oid: '55555555-5555-4555-8555-555555555555', keyId: 'k2' }
  const named = (owner: Account, iss: unknown, sub: unknown): Session => ({ ...of(owner), claims: { iss, sub } })
  await createSessionsByUser(store, createKeyRing([k1], 'gw')).add(named({ ...account, keyId: 'k1' }, 'https://a', 'alice'), 's:1', hour)
  const rotated = createSessionsByUser(store, createKeyRing([k2, k1], 'gw'))
  await rotated.add(named({ ...account, keyId: 'k2' }, 'https://a', 'alice'), 's:2', hour)
  await rotated.add(named({ ...bob, keyId: 'k2' }, 'https://a', 'bob'), 's:3', hour)
  await rotated.add(named({ ...bob, tid: bob.oid, keyId: 'k2' }, 'https://b', 'alice'), 's:4', hour)
  for (const [iss, sub] of [[undefined, 'alice'], ['https://a', undefined], [7, 'alice']]) await rotated.add(named(carol, iss, sub), 's:5', hour)
  t.same([...await rotated.ofSubject('https://a', 'alice')].sort(), ['s:1', 's:2'])
  t.same(await rotated.ofSubject('https://b', 'alice'), ['s:4'])
  t.same(await rotated.ofSubject('https://c', 'alice'), [])
})

t.test('the index of a subject does not grow with sign-ins', async t => {
  const { store, keys } = sessionWorld(t)
  const added: string[] = []
  const byUser = createSessionsByUser({ ...store, addMember: async (key, member) => { added.push(`${key} ${member}`) } }, keys)
  for (const sessionKey of ['s:1', 's:2', 's:3']) await byUser.add({ ...of(account), claims: { iss: 'https://a', sub: 'alice' } }, sessionKey, hour)
  t.equal(new Set(added.filter(line => line.startsWith('sub:'))).size, 1)
  t.notMatch(added.join(), /alice|https/, 'and names nobody')
})
