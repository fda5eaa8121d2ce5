/** This file checks session ids: unguessable, signed, and named in the store by something that does not give them away. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createSessionIds } from '../../src/session/ids.ts'
import { createKeyRing } from '../../src/store/key-ring.ts'

const k1 = { id: 'k1', secret: randomBytes(32) }
const k2 = { id: 'k2', secret: randomBytes(32) }
const ids = createSessionIds(createKeyRing([k1], 'gw'))

t.test('an id has 256 bits of randomness and the id of its key', async t => {
  const made = Array.from({ length: 1000 }, ids.generate)
  t.equal(new Set(made).size, 1000)
  for (const id of made) if (!/^k1\.[A-Za-z0-9_-]{43}$/.test(id)) t.fail(id)
  t.equal(Buffer.from(made[0]!.slice(3), 'base64url').length, 32)
})

t.test('a signed id comes back as the id', async t => {
  for (let i = 0; i < 100; i++) {
    const id = ids.generate()
    t.equal(ids.unsign(ids.sign(id)), id)
  }
})

t.test('one character changed, removed or added anywhere makes it nobody\'s', async t => {
  const value = ids.sign(ids.generate())
  const wrong: string[] = []
  for (let i = 0; i <= value.length; i++) {
    wrong.push(value.slice(0, i) + value.slice(i + 1))
    for (const other of 'AB.-_ \0=%"') {
      wrong.push(`${value.slice(0, i)}${other}${value.slice(i)}`)
      wrong.push(`${value.slice(0, i)}${other}${value.slice(i + 1)}`)
    }
  }
  for (const one of wrong.filter(one => one !== value)) if (ids.unsign(one) !== undefined) t.fail(one)
  t.ok(wrong.length > 1800)
})

t.test('what we did not sign is nobody\'s', async t => {
  const value = ids.sign(ids.generate())
  const [, random, signature] = value.split('.') as [string, string, string]
  for (const stranger of [
    '', '.', '..', 'null', value.toUpperCase(), `${value}\n`, ` ${value}`, value.slice(1), `k2.${random}.${signature}`, `__proto__.${random}.${signature}`,
    `constructor.${random}.${signature}`, `../../k1.${random}.${signature}`, `.${random}.${signature}`, `k1.${signature}.${random}`, `${random}.${signature}`,
    `k1.${random}`, `k1.${random}.`, `k1.${random}.${'A'.repeat(43)}`, `k1.${random}.${signature}.${signature}`, `k1.k1.${random}.${signature}`,
    `${'k'.repeat(33)}.${random}.${signature}`, 'x'.repeat(100_000), `k1.${random}.${'ä'.repeat(43)}`, encodeURIComponent(`"${value}"`)
  ]) t.equal(ids.unsign(stranger), undefined, JSON.stringify(stranger.slice(0, 60)))
})

t.test('a cookie of another deployment with the same key is nobody\'s', async t => {
  const other = createSessionIds(createKeyRing([k1], 'other'))
  t.equal(ids.unsign(other.sign(other.generate())), undefined)
})

t.test('after a rotation old cookies and records are found until their key is removed', async t => {
  const rotated = createSessionIds(createKeyRing([k2, k1], 'gw'))
  const removed = createSessionIds(createKeyRing([k2], 'gw'))
  const id = ids.generate()
  t.equal(rotated.unsign(ids.sign(id)), id)
  t.equal(rotated.recordKey(id), ids.recordKey(id))
  t.match(rotated.generate(), /^k2\./)
  t.equal(removed.unsign(ids.sign(id)), undefined)
})

t.test('the name of a record tells neither the id nor the cookie', async t => {
  const id = ids.generate()
  const key = ids.recordKey(id)
  t.match(key, /^s:[A-Za-z0-9_-]{43}$/)
  t.notMatch(key, id.slice(3))
  t.not(key.slice(2), ids.sign(id).split('.')[2], 'signature and name are made with different keys')
  t.not(ids.recordKey(ids.generate()), key)
})
