/** This file checks that what was sealed opens for its purpose alone, and that nothing else opens at all (security.md, C4.4). */
import { randomBytes } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import t from 'tap'
import { createKeyRing, type KeyRing, type Purpose } from '../../src/store/key-ring.ts'
import { createSealer } from '../../src/store/seal.ts'
import { createClock } from '../support/clock.ts'

const k1 = { id: 'k1', secret: randomBytes(32) }
const k2 = { id: 'k2', secret: randomBytes(32) }
const hour = 3_600_000
const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function world (keys: KeyRing = createKeyRing([k1], 'gw')) {
  const clock = createClock()
  return { clock, keys, sealer: createSealer(keys, clock.now) }
}

/** Seals what the gateway never would, with its key. */
async function forge (keys: KeyRing, purpose: Purpose, content = '{"value":1,"endsAt":4e12}'): Promise<string> {
  return await new CompactEncrypt(Buffer.from(content))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: 'k1' })
    .encrypt(keys.keyFor(purpose, 'k1')!)
}

t.test('what was sealed comes back as it was', async t => {
  const { sealer } = world()
  for (const value of [{ a: 1, b: ['ä', null] }, [], [1, 2], {}, { nested: { __proto__: 1 } }]) {
    t.same(await sealer.open('transaction', await sealer.seal('transaction', value, hour)), { value: JSON.parse(JSON.stringify(value)), isExpired: false })
  }
})

t.test('sealing twice gives two texts, and neither shows what it holds', async t => {
  const { sealer } = world()
  const [a, b] = await Promise.all([0, 1].map(async () => await sealer.seal('transaction', { secret: 'hunter2' }, hour)))
  t.not(a, b)
  t.notMatch(Buffer.from(a!.split('.')[3]!, 'base64url').toString('latin1'), 'hunter2')
  t.match(a, /^[A-Za-z0-9._-]+$/, 'fits into a cookie and a query as it is')
})

t.test('it opens until its time is over, and says so afterwards', async t => {
  const { sealer, clock } = world()
  const sealed = await sealer.seal('transaction', { a: 1 }, 600_000)
  clock.advance(598)
  t.equal((await sealer.open('transaction', sealed))?.isExpired, false)
  clock.advance(3)
  t.same(await sealer.open('transaction', sealed), { value: { a: 1 }, isExpired: true })
})

t.test('it opens for no other purpose, deployment or key', async t => {
  const { sealer } = world()
  const sealed = await sealer.seal('transaction', { a: 1 }, hour)
  for (const purpose of ['sign-in-need', 'sign-in-rounds', 'session-cookie', 'session-key', 'account-key'] as const) {
    t.equal(await sealer.open(purpose, sealed), undefined, purpose)
  }
  t.equal(await world(createKeyRing([k1], 'other')).sealer.open('transaction', sealed), undefined, 'other deployment')
  t.equal(await world(createKeyRing([k2], 'gw')).sealer.open('transaction', sealed), undefined, 'key not listed')
  t.equal(await world(createKeyRing([{ ...k2, id: 'k1' }], 'gw')).sealer.open('transaction', sealed), undefined, 'other key of the same id')
})

t.test('after a rotation the old key opens and the new one seals', async t => {
  const old = await world().sealer.seal('transaction', { a: 1 }, hour)
  const rotated = world(createKeyRing([k2, k1], 'gw')).sealer
  t.same((await rotated.open('transaction', old))?.value, { a: 1 })
  const fresh = await rotated.seal('transaction', { b: 1 }, hour)
  t.equal(await world().sealer.open('transaction', fresh), undefined, 'a replica without the new key does not know it')
  t.same((await world(createKeyRing([k2], 'gw')).sealer.open('transaction', fresh))?.value, { b: 1 })
})

t.test('one flipped bit anywhere keeps it shut', async t => {
  const { sealer } = world()
  const sealed = await sealer.seal('transaction', { a: 1 }, hour)
  const parts = sealed.split('.')
  let tried = 0
  for (const [at, part] of parts.entries()) {
    const bytes = Buffer.from(part, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const opened = await sealer.open('transaction', parts.with(at, changed.toString('base64url')).join('.'))
      if (opened !== undefined) t.fail(`part ${at}, bit ${bit} opened`)
      tried++
    }
  }
  t.ok(tried > 800, `${tried} bits were tried`)
})

t.test('truncated, extended or rearranged it stays shut', async t => {
  const { sealer } = world()
  const sealed = await sealer.seal('transaction', { a: 1 }, hour)
  const parts = sealed.split('.')
  for (let length = 0; length < sealed.length; length++) {
    if (await sealer.open('transaction', sealed.slice(0, length)) !== undefined) t.fail(`opened at ${length} of ${sealed.length} characters`)
  }
  const [header, key, iv, ciphertext, tag] = parts as [string, string, string, string, string]
  const strangers: Record<string, string> = {
    'a character more': `${sealed}AAAA`,
    'a part more': `${sealed}.`,
    'a part before': `.${sealed}`,
    '2 parts': `${header}.${tag}`,
    '3 parts, as a JWS has': `${header}.${ciphertext}.${tag}`,
    'an encrypted key where there is none': [header, 'AAAA', iv, ciphertext, tag].join('.'),
    'a tag of 4 bytes (security.md, X23)': [header, key, iv, ciphertext, tag.slice(0, 6)].join('.'),
    'no tag': [header, key, iv, ciphertext, ''].join('.'),
    'no text': [header, key, iv, '', tag].join('.'),
    'another iv': [header, key, randomBytes(12).toString('base64url'), ciphertext, tag].join('.'),
    'an iv of 16 bytes': [header, key, randomBytes(16).toString('base64url'), ciphertext, tag].join('.'),
    'text and tag swapped': [header, key, iv, tag, ciphertext].join('.')
  }
  for (const [what, stranger] of Object.entries(strangers)) t.equal(await sealer.open('transaction', stranger), undefined, what)
})

t.test('the header of what is opened chooses neither algorithm nor key', async t => {
  const { sealer, keys } = world()
  const [, key, iv, ciphertext, tag] = (await sealer.seal('transaction', { a: 1 }, hour)).split('.') as [string, string, string, string, string]
  const good = { alg: 'dir', enc: 'A256GCM', kid: 'k1', typ: 'transaction' }
  const headers: unknown[] = [
    { ...good, alg: 'none' }, { ...good, alg: 'A256KW' }, { ...good, alg: 'RSA-OAEP' }, { ...good, alg: 'ECDH-ES', epk: {} },
    { ...good, alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31, p2s: 'AAAA' }, { ...good, alg: 'A256GCMKW', iv: 'AAAA', tag: 'AAAA' },
    { ...good, enc: 'A128CBC-HS256' }, { ...good, enc: 'A128GCM' }, { ...good, enc: 'none' },
    { ...good, zip: 'DEF' }, { ...good, crit: ['exp'], exp: 1 }, { ...good, crit: ['nothing'] }, { ...good, crit: [] },
    ...['k2', '../../x', '__proto__', 'constructor', '', 'k1\0', 7, null, ['k1'], { k1: 1 }].map(kid => ({ ...good, kid })),
    { alg: 'dir', enc: 'A256GCM' }, {}, [], null, 'k1', 7
  ]
  for (const header of headers) {
    t.equal(await sealer.open('transaction', [text(header), key, iv, ciphertext, tag].join('.')), undefined, JSON.stringify(header))
  }
  t.equal((await sealer.open('transaction', await forge(keys, 'transaction')))?.value, 1, 'such a text would open with the good header')
})

t.test('not even the holder of the key can make it inflate, use another cipher, or break it with its content', async t => {
  const { sealer, keys } = world()
  const short = await new CompactEncrypt(Buffer.from('{"value":1,"endsAt":4e12}')).setProtectedHeader({ alg: 'dir', enc: 'A128GCM', kid: 'k1' })
    .encrypt(keys.keyFor('transaction', 'k1')!.export().subarray(0, 16))
  t.equal(await sealer.open('transaction', short), undefined)
  for (const content of ['', 'null', 'not JSON', '\xff\xfe']) {
    t.equal(await sealer.open('transaction', await forge(keys, 'transaction', content)), undefined, JSON.stringify(content))
  }
  for (const content of ['{}', '[]', '7', '{"value":1}', '{"value":1,"endsAt":"never"}', '{"value":1,"endsAt":null}', '{"value":1,"endsAt":{}}']) {
    t.not((await sealer.open('transaction', await forge(keys, 'transaction', content)))?.isExpired, false, `${content} has no time left`)
  }
})

t.test('texts that are no seal at all stay shut', async t => {
  const { sealer } = world()
  for (const stranger of ['', '.', '....', '.....', 'x', 'null', '\0', 'ä.ä.ä.ä.ä', ' ', text({ alg: 'dir' }), '%00', '[object Object]']) {
    t.equal(await sealer.open('transaction', stranger), undefined, JSON.stringify(stranger))
  }
})

t.test('a text of 1 MB is not even looked at', async t => {
  const { sealer } = world()
  const sealed = await sealer.seal('transaction', { filler: 'x'.repeat(1_000_000) }, hour)
  t.equal(await sealer.open('transaction', sealed), undefined, 'though every byte of it is ours')
  const before = process.cpuUsage().user
  for (let i = 0; i < 100; i++) await sealer.open('transaction', sealed)
  t.ok(process.cpuUsage().user - before < 500_000, 'and 100 of them cost next to nothing')
})
