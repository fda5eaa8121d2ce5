import t from 'tap'
import { createCommonTexts } from '../../src/session/common-texts.ts'
import { account, oid, sessionAt, tid } from './support.ts'

t.test('a session stays what it is, whatever it has in common with others', async t => {
  const withCommonTexts = createCommonTexts()
  for (const claims of [{ oid, tid, name: 'Alice', iss: 'https://login.example/v2.0', roles: ['a'] }, { oid: 'another', sub: 'x' }, { tid: 7, iss: null }, {}]) {
    const session = sessionAt(1000, claims)
    for (let times = 0; times < 2; times++) t.same(withCommonTexts(session), session)
  }
})

t.test('an own property is never taken from a prototype', async t => {
  const session = sessionAt(1000, JSON.parse('{"__proto__":{"iss":"x"},"oid":"y"}'))
  t.same(Object.keys(createCommonTexts()(session).claims), Object.keys(session.claims))
  t.equal(createCommonTexts()({ ...session, account: { ...account, keyId: 'k1' } }).account.keyId, 'k1')
})
