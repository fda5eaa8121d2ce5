/** This file checks that sealed records open where they belong and nowhere else. */
import t from 'tap'
import { createKeyRing } from '../../src/store/key-ring.ts'
import { createRecordSealer } from '../../src/store/sealed.ts'

const [k1, k2] = [{ id: 'k1', secret: Buffer.alloc(32, 1) }, { id: 'k2', secret: Buffer.alloc(32, 2) }]
const sealer = createRecordSealer(createKeyRing([k1!], 'gw'))
const text = JSON.stringify({ name: 'Älice', token: 'eyJ' })

t.test('a record opens under its purpose and context, and looks different each time', async t => {
  const sealed = sealer.seal('session-record', 's:1', text)
  t.equal(sealer.open('session-record', 's:1', sealed), text)
  t.not(sealer.seal('session-record', 's:1', text), sealed)
  t.notMatch(sealed, /eyJ|lice/)
  t.equal(sealer.open('session-record', 's:1', sealer.seal('session-record', 's:1', '')), '', 'nothing is a text, too')
})

t.test('moved, for another purpose, or of another deployment it does not', async t => {
  const sealed = sealer.seal('account-record', 'tc:1 7', text)
  t.equal(sealer.open('account-record', 'tc:2 7', sealed), undefined, 'another account')
  t.equal(sealer.open('account-record', 'tc:1 8', sealed), undefined, 'another version')
  t.equal(sealer.open('session-record', 'tc:1 7', sealed), undefined)
  t.equal(createRecordSealer(createKeyRing([k1!], 'other')).open('account-record', 'tc:1 7', sealed), undefined)
})

t.test('changed in any way it does not', async t => {
  const sealed = sealer.seal('session-record', 's:1', text)
  const [form, id, content = ''] = sealed.split('.')
  const bytes = Buffer.from(content, 'base64url')
  for (let i = 0; i < bytes.length; i++) {
    const flipped = Buffer.from(bytes)
    flipped[i]! ^= 1
    t.equal(sealer.open('session-record', 's:1', `${form}.${id}.${flipped.toString('base64url')}`), undefined, `byte ${i}`)
  }
  const cut = [0, 1, 4, 11, 12, 15, 16, 27, 28, bytes.length - 1].map(length => `${form}.${id}.${bytes.subarray(0, length).toString('base64url')}`)
  const others = [
    '', '.', '..', '...', sealed + 'AAAA', `2.${id}.${content}`, `${form}.k2.${content}`, `${form}.__proto__.${content}`,
    `${form}.${id}`, `${sealed}.x`, 'x'.repeat(1_000_000)
  ]
  for (const hostile of [...cut, ...others]) t.equal(sealer.open('session-record', 's:1', hostile), undefined, hostile.slice(0, 40))
})

t.test('X23 with a shortened tag it does not', async t => {
  const sealed = sealer.seal('session-record', 's:1', text)
  const [form, id, content = ''] = sealed.split('.')
  const bytes = Buffer.from(content, 'base64url')
  const [body, tag] = [bytes.subarray(0, -16), bytes.subarray(-16)]
  const asSealed = (parts: Uint8Array[]): string => `${form}.${id}.${Buffer.concat(parts).toString('base64url')}`
  t.equal(sealer.open('session-record', 's:1', asSealed([body, tag])), text, 'the control')
  for (const length of [0, 1, 4, 8, 12, 15]) {
    t.equal(sealer.open('session-record', 's:1', asSealed([body, tag.subarray(0, length)])), undefined, `${length} bytes`)
    t.equal(sealer.open('session-record', 's:1', asSealed([body.subarray(0, 12), tag.subarray(0, length)])), undefined, 'without a text')
    t.equal(sealer.open('session-record', 's:1', asSealed([body, tag.subarray(0, length), Buffer.alloc(16 - length)])), undefined, 'filled up')
  }
})

t.test('the first key seals, every key opens', async t => {
  const old = sealer.seal('session-record', 's:1', text)
  const rotated = createRecordSealer(createKeyRing([k2!, k1!], 'gw'))
  t.equal(rotated.open('session-record', 's:1', old), text)
  const fresh = rotated.seal('session-record', 's:1', text)
  t.match(fresh, /^1\.k2\./)
  t.equal(sealer.open('session-record', 's:1', fresh), undefined, 'a replica that lacks the key')
})
