/** The tokens in memory: found fast, bounded, gone when they should be. */
import t from 'tap'
import type { ReadyToken } from '../../src/identity/provider.ts'
import { createReadyTokens } from '../../src/identity/ready-tokens.ts'

function token (name: string, size = 100, hardAt = 5000): ReadyToken {
  return { kind: 'token', bearer: name.padEnd(size, 'x'), softAt: 4000, hardAt, source: 'ready' }
}

const holder = (key: string, accountKey = 'a') => ({ key, accountKey })

t.test('a token is found by holder and scope set, until it ends', async t => {
  const ready = createReadyTokens()
  t.equal(ready.find('s', 0, 1000), undefined)
  const kept = token('t')
  t.ok(ready.put(holder('s'), 3, kept))
  t.equal(ready.find('s', 3, 1000)?.token, kept, 'the object itself: nothing is made per request')
  t.equal(ready.find('s', 3, 1000)?.renewAt, 4000)
  for (const [key, set] of [['s', 0], ['s', 4], ['r', 3]] as const) t.equal(ready.find(key, set, 1000), undefined)
  t.ok(ready.find('s', 3, 4999))
  t.equal(ready.find('s', 3, 5000), undefined)
})

t.test('a dropped holder gets nothing any more, not even what was under way', async t => {
  const ready = createReadyTokens()
  ready.put(holder('s'), 0, token('t'))
  ready.drop('s')
  t.equal(ready.find('s', 0, 1000), undefined)
  t.ok(ready.isDropped('s'))
  t.notOk(ready.put(holder('s'), 0, token('late')))
  t.equal(ready.find('s', 0, 1000), undefined)
  t.equal(ready.bytes(), 0)
})

t.test('the holders of an account are dropped together', async t => {
  const ready = createReadyTokens()
  for (const key of ['s1', 's2']) ready.put(holder(key, 'a'), 0, token('t'))
  ready.put(holder('s3', 'b'), 0, token('t'))
  ready.dropAccount('a')
  t.strictSame(['s1', 's2', 's3'].map(key => ready.isDropped(key)), [true, true, false])
  t.ok(ready.find('s3', 0, 1000))
})

t.test('bytes are bounded, and the used ones stay', async t => {
  const ready = createReadyTokens({ maxBytes: 20_000 })
  ready.put(holder('used'), 0, token('t', 1000))
  for (let n = 0; n < 200; n++) {
    ready.put(holder(`s${n}`), 0, token('t', 1000))
    ready.find('used', 0, 1000)
    t.ok(ready.bytes() <= 20_000)
  }
  t.ok(ready.find('used', 0, 1000), 'one that is asked for all the time')
  t.ok(ready.find('s199', 0, 1000), 'the newest')
  t.equal(ready.find('s0', 0, 1000), undefined)
})

t.test('holders are bounded, however short their tokens are', async t => {
  const ready = createReadyTokens({ maxBytes: 10_000 })
  for (let n = 0; n < 1000; n++) ready.put(holder(`s${n}`), 0, token('t'))
  t.ok(Array.from({ length: 1000 }, (_, n) => ready.find(`s${n}`, 0, 1000)).filter(Boolean).length < 20)
})

t.test('replacing a token does not leak its bytes', async t => {
  const ready = createReadyTokens()
  ready.put(holder('s'), 0, token('t', 1000))
  const before = ready.bytes()
  for (let n = 0; n < 50; n++) ready.put(holder('s'), 0, token(`t${n}`, 1000))
  t.equal(ready.bytes(), before)
  ready.put(holder('s'), 1, token('t', 1000))
  ready.drop('s')
  t.equal(ready.bytes(), 0)
})

t.test('a step back of the clock drops all; a correction does not', async t => {
  const ready = createReadyTokens()
  ready.put(holder('s'), 0, token('t', 100, 100_000))
  t.ok(ready.find('s', 0, 50_000))
  t.ok(ready.find('s', 0, 49_500))
  t.equal(ready.find('s', 0, 48_900), undefined)
  t.equal(ready.bytes(), 0)
  ready.put(holder('s'), 0, token('t', 100, 100_000))
  t.ok(ready.find('s', 0, 48_900), 'and the new time counts')
})
