/** This file checks a request's raw header section: one Host, no two answers to one question, and not too many fields. */
import t from 'tap'
import { readFields } from '../../src/server/fields.ts'

const host = ['Host', 'gw.example']

t.test('the one Host is found in any spelling, wherever it stands', async t => {
  t.same(readFields(host), { kind: 'fields', host: 'gw.example' })
  t.same(readFields(['Accept', '*/*', 'HOST', 'a', 'X', 'host']), { kind: 'fields', host: 'a' })
  t.same(readFields(['host', '']), { kind: 'fields', host: '' }, 'whether it is a good one is not decided here')
})

t.test('no Host, or two of them, is refused (security.md, X8)', async t => {
  for (const raw of [[], ['Accept', '*/*'], ['Hos', 'a'], ['X-Host', 'a'], ['host ', 'a']]) t.match(readFields(raw), { kind: 'refused', status: 400 })
  for (const second of ['Host', 'host', 'HOST']) {
    t.match(readFields([...host, second, 'evil']), { kind: 'refused', status: 400 })
    t.match(readFields([second, 'gw.example', 'Accept', '*/*', ...host]), { kind: 'refused', status: 400 }, 'the same twice is two as well')
  }
})

t.test('a field by which something is decided stands once', async t => {
  for (const name of [
    'authorization', 'origin', 'referer', 'content-length', 'content-type', 'expect', 'transfer-encoding', 'upgrade', 'sec-fetch-site', 'sec-fetch-mode',
    'sec-fetch-dest', 'x-requested-with', 'x-forwarded-host', 'x-forwarded-proto', 'cookie'
  ]) {
    t.equal(readFields([...host, name, 'a']).kind, 'fields', name)
    const refusal = readFields([...host, name, 'secret', 'X', 'y', name.toUpperCase(), 'secret'])
    t.match(refusal, { kind: 'refused', status: 400 }, name)
    t.notMatch(refusal, { why: 'secret' })
  }
})

t.test('other fields may repeat', async t => {
  for (const name of ['accept', 'x-custom', 'via', 'x-forwarded-for', 'connection', 'if-none-match', 'cache-control', '__proto__', 'constructor', '']) {
    t.equal(readFields([...host, name, 'a', name, 'b']).kind, 'fields', name)
  }
})

t.test('a hundred fields are enough', async t => {
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => [`X-${i}`, '1']).flat()
  t.equal(readFields([...host, ...many(99)]).kind, 'fields')
  t.match(readFields([...host, ...many(100)]), { kind: 'refused', status: 431 })
  t.match(readFields(many(100_000)), { kind: 'refused', status: 431 })
})
