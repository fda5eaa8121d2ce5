/** This file checks how authentication contexts are written, asked for and found in an ID token. */
import t from 'tap'
import { askAlsoOfIdToken, contextDemandedBy, contextsAskedBy, hasContext, isAuthContext, requestFor } from '../../src/config/auth-context.ts'

t.test('c1 to c99 are contexts, and nothing else is', async t => {
  for (const text of ['c1', 'c9', 'c10', 'c99']) t.ok(isAuthContext(text), text)
  for (const text of ['', 'c', 'c0', 'c01', 'c100', 'C1', ' c1', 'c1 ', 'c1\n', '1', 'c1,c2', 'urn:c1']) t.notOk(isAuthContext(text), JSON.stringify(text))
})

t.test('what a sign-in is asked for is what its ID token has to have', async t => {
  t.strictSame(JSON.parse(requestFor('c7')), { id_token: { acrs: { essential: true, value: 'c7' } } })
  t.equal(contextDemandedBy(requestFor('c7')), 'c7')
})

t.test('other claims requests demand no context of an ID token', async t => {
  t.equal(contextDemandedBy(undefined), undefined)
  const requests = [
    {}, { id_token: null }, { id_token: {} }, { id_token: { acrs: null } }, { id_token: { acrs: { value: 'c1' } } },
    { id_token: { acrs: { essential: 'true', value: 'c1' } } }, { id_token: { acrs: { essential: true, value: 1 } } },
    { access_token: { acrs: { essential: true, value: 'c1' } } }, { id_token: [{ acrs: { essential: true, value: 'c1' } }] }
  ]
  for (const request of requests) t.equal(contextDemandedBy(JSON.stringify(request)), undefined, JSON.stringify(request))
})

t.test('the contexts that an API asks of an access token', async t => {
  const asked = (claims: unknown): readonly string[] => contextsAskedBy(JSON.stringify({ access_token: claims }))
  t.strictSame(contextsAskedBy(requestFor('c7', 'access_token')), ['c7'])
  t.strictSame(asked({ acrs: { value: 'c1' }, nbf: { value: '1' } }), ['c1'])
  t.strictSame(asked({ acrs: { values: ['c1', 7, 'urn:x', 'c25'] } }), ['c1', 'c25'])
  for (const acrs of [null, {}, 'c1', ['c1'], { essential: true }, { value: null }, { value: 'urn:x' }, { values: [] }, { values: [['c1']] }]) {
    t.strictSame(asked({ acrs }), [], JSON.stringify(acrs))
  }
  t.strictSame(contextsAskedBy(requestFor('c7')), [], 'of an ID token')
})

t.test('what an API asks for is asked of the ID token too, and all of it stays', async t => {
  const claims = { access_token: { acrs: { value: 'c1' }, capolids: { values: ['x'] } } }
  const both = askAlsoOfIdToken(JSON.stringify(claims), 'c1')
  t.strictSame(JSON.parse(both), { ...claims, ...JSON.parse(requestFor('c1')) })
  t.equal(contextDemandedBy(both), 'c1')
})

t.test('acrs is a list or a single text, compared as a whole', async t => {
  const rows: Array<[acrs: unknown, has: boolean]> = [
    ['c1', true], [['c1'], true], [['c2', 'c1'], true],
    [undefined, false], [null, false], ['', false], ['c10', false], ['c1 c2', false], ['C1', false],
    [[], false], [['c10'], false], [[['c1']], false], [{ 0: 'c1' }, false], [true, false]
  ]
  for (const [acrs, has] of rows) t.equal(hasContext({ acrs }, 'c1'), has, JSON.stringify(acrs))
  t.notOk(hasContext({}, 'c1'))
})
