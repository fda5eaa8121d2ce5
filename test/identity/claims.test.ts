/** Claims requests: what may be passed on. */
import t from 'tap'
import { parseClaimsRequest } from '../../src/identity/claims.ts'

t.test('the JSON of an object that is not empty is passed on as it is', async t => {
  for (const text of ['{"access_token":{"acrs":{"essential":true,"value":"c1"}}}', ' { "id_token" : {} } ']) {
    t.equal(parseClaimsRequest(text), text)
  }
})

t.test('everything else counts as none', async t => {
  const long = JSON.stringify({ a: 'x'.repeat(4096) })
  for (const text of [undefined, '', '{}', ' {} ', '[]', '[1]', 'null', '7', '"a"', '{', '{"a":1', 'undefined', '{"a":1}x', long]) {
    t.equal(parseClaimsRequest(text), undefined, String(text).slice(0, 20))
  }
})
