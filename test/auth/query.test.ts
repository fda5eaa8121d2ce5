/** This file checks that a parameter is what it says, absent, or refused for coming twice: never the first or last of two. */
import t from 'tap'
import { readQuery, repeated, single } from '../../src/auth/query.ts'

t.test('a parameter is read from the query and nowhere else', async t => {
  const cases: Array<[url: string, value: ReturnType<ReturnType<typeof readQuery>>]> = [
    ['/x?a=1', '1'], ['/x?b=2&a=1', '1'], ['/x?a=', ''], ['/x?a', ''], ['/x?a=1=2', '1=2'], ['/x?a=%26%3D', '&='], ['/x?a=b+c', 'b c'], ['/x?a=b%2Bc', 'b+c'],
    ['/x?%61=1', '1'], ['/x', undefined], ['/x?', undefined], ['/x?A=1', undefined], ['/x?aa=1', undefined], ['/a=1', undefined], ['/x?b=a=1', undefined],
    ['/x#?a=1', '1'], ['/x??a=1', undefined], ['/x;a=1', undefined], ['/x?b;a=1', undefined], ['/x?a=?&b', '?'], ['', undefined], ['/x?a=%zz', '%zz'],
    ['/x?a=%ff', '\ufffd'], ['/x?a[]=1', undefined]
  ]
  for (const [url, value] of cases) t.equal(readQuery(url)('a'), value, url)
})

t.test('a parameter that comes twice is neither of the two', async t => {
  for (const url of ['/x?a=1&a=2', '/x?a=1&a=1', '/x?a&a', '/x?a=1&%61=2', '/x?b=0&a=1&c=3&a=2&a=3']) {
    t.equal(readQuery(url)('a'), repeated, url)
    t.equal(single(readQuery(url)('a')), undefined, url)
  }
  t.equal(single(readQuery('/x?a=1')('a')), '1')
  t.equal(single(readQuery('/x')('a')), undefined)
})

t.test('parameters named as what every object has are absent like others', async t => {
  for (const name of ['__proto__', 'constructor', 'toString', '']) t.equal(readQuery('/x?a=1')(name), undefined, name)
  t.equal(readQuery('/x?__proto__=1')('__proto__'), '1')
})
