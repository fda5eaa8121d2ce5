/** This file checks that keys are told apart by purpose, deployment and id, and that a rotated ring still knows its old ones. */
import { createHmac, hkdfSync, randomBytes } from 'node:crypto'
import t from 'tap'
import { createKeyRing, generateKey, type Purpose } from '../../src/store/key-ring.ts'

const k1 = { id: 'k1', secret: randomBytes(32) }
const k2 = { id: 'k2', secret: randomBytes(32) }
const purposes: readonly Purpose[] = ['session-cookie', 'session-key', 'account-key', 'transaction', 'sign-in-need', 'sign-in-rounds']

t.test('the first key seals, and every listed key can be had', async t => {
  const ring = createKeyRing([k2, k1], 'gw')
  t.equal(ring.sealingId, 'k2')
  t.ok(ring.keyFor('transaction', 'k1'))
  t.ok(ring.keyFor('transaction', 'k2'))
  t.throws(() => createKeyRing([], 'gw'), TypeError)
})

t.test('a key is derived as RFC 5869 says: salt is the deployment, info the purpose', async t => {
  const ring = createKeyRing([k1], 'gw')
  const expected = Buffer.from(hkdfSync('sha256', k1.secret, 'gw', 'transaction', 32))
  t.same(ring.keyFor('transaction', 'k1')?.export(), expected)
  t.equal(ring.mac('transaction', 'text'), createHmac('sha256', expected).update('text').digest('base64url'))
})

t.test('no two of purpose, deployment and key give the same key', async t => {
  const rings = ['gw', 'gw ', 'other'].map(deployment => createKeyRing([k1, k2], deployment))
  const keys = rings.flatMap(ring => ['k1', 'k2'].flatMap(id => purposes.map(purpose => ring.keyFor(purpose, id)!.export().toString('hex'))))
  t.equal(keys.length, 36)
  t.equal(new Set(keys).size, 36)
  t.notOk(keys.includes(k1.secret.toString('hex')), 'the configured secret itself is used for nothing')
})

t.test('names under a MAC differ by purpose and text, and are the same every time', async t => {
  const ring = createKeyRing([k1], 'gw')
  t.equal(ring.mac('session-key', 'a'), createKeyRing([k1], 'gw').mac('session-key', 'a'))
  t.match(ring.mac('session-key', 'a'), /^[A-Za-z0-9_-]{43}$/)
  t.equal(new Set([...purposes.map(purpose => ring.mac(purpose, 'a')), ring.mac('session-key', 'b')]).size, purposes.length + 1)
})

t.test('after a rotation the old key still names what it named, and the new one seals', async t => {
  const before = createKeyRing([k1], 'gw')
  const after = createKeyRing([k2, k1], 'gw')
  t.equal(after.macUnder('k1', 'session-key', 'id'), before.mac('session-key', 'id'))
  t.equal(after.mac('session-key', 'id'), after.macUnder('k2', 'session-key', 'id'))
  t.not(after.mac('session-key', 'id'), before.mac('session-key', 'id'))
})

t.test('an id that the ring does not list has no key, whatever it is called', async t => {
  const ring = createKeyRing([k1], 'gw')
  for (const id of ['k2', '', 'K1', 'k1 ', ' k1', '__proto__', 'constructor', 'toString', '../../k1', 'k1\0']) {
    t.equal(ring.keyFor('transaction', id), undefined, JSON.stringify(id))
    t.equal(ring.macUnder(id, 'transaction', 'text'), undefined, JSON.stringify(id))
  }
  t.equal(createKeyRing([k2], 'gw').keyFor('transaction', 'k1'), undefined, 'a key that was removed opens nothing')
})

t.test('a generated key is 256 bits and another one each time', async t => {
  const [a, b] = [generateKey(), generateKey()]
  t.equal(a.secret.length, 32)
  t.notSame(a.secret, b.secret)
})
