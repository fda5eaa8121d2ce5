/** This file checks how a user is written into header fields: by preset or map, and harmless whatever a claim holds. */
import fc from 'fast-check'
import t from 'tap'
import { identityHeaders } from '../../src/proxy/identity-headers.ts'
import { pairs } from './support.ts'

const claims = {
  oid: '33333333-3333-4333-8333-333333333333',
  tid: '11111111-1111-4111-8111-111111111111',
  preferred_username: 'alice@contoso.example',
  email: 'Alice@Contoso.example',
  groups: ['g1', 'g2'],
  name: 'Alice'
}

t.test('the presets write the fields that applications know', async t => {
  t.same(identityHeaders('none')(claims), [])
  t.same(pairs(identityHeaders('standard')(claims)), [
    ['x-forwarded-user', claims.oid], ['x-forwarded-preferred-username', claims.preferred_username], ['x-forwarded-email', claims.email],
    ['x-forwarded-groups', 'g1,g2']
  ])
  t.same(pairs(identityHeaders('oauth2-proxy')(claims)), [
    ['x-auth-request-user', claims.oid], ['x-auth-request-preferred-username', claims.preferred_username], ['x-auth-request-email', claims.email],
    ['x-auth-request-groups', 'g1,g2']
  ])
  const [[name, principal], ...more] = pairs(identityHeaders('easyauth')(claims)) as [[string, string], ...Array<[string, string]>]
  t.equal(name, 'x-ms-client-principal')
  t.match(JSON.parse(Buffer.from(principal, 'base64').toString()), { auth_typ: 'aad', claims: [{ val: claims.oid }] })
  t.same(more, [
    ['x-ms-client-principal-id', claims.oid], ['x-ms-client-principal-name', claims.preferred_username], ['x-ms-client-principal-idp', 'aad']
  ])
})

t.test('what is unknown is left out, not sent empty', async t => {
  t.same(pairs(identityHeaders('standard')({ oid: 'o', email: '', groups: [], preferred_username: null })), [['x-forwarded-user', 'o']])
  t.same(identityHeaders('oauth2-proxy')({}), [])
})

t.test('a map sends the claims it names, and only the user\'s own', async t => {
  const write = identityHeaders({ 'X-Name': 'name', 'X-Level': 'level', 'X-Roles': 'roles', 'X-Ctor': 'constructor', 'X-To': 'toString', 'X-Proto': '__proto__' })
  t.same(write({ name: 'Alice', level: 3, roles: ['a', 7, true], other: 'x' }), ['X-Name', 'Alice', 'X-Level', '3', 'X-Roles', 'a,7,true'])
  t.same(identityHeaders({ 'X-Proto': '__proto__' })(JSON.parse('{"__proto__":"own"}')), ['X-Proto', 'own'])
  t.same(identityHeaders({ 'X-Address': 'address' })({ address: { city: 'Zürich' } }), ['X-Address', '{"city":"Z%C3%BCrich"}'])
})

t.test('C3.5, C8.9 a claim becomes harmless text that can be read back', async t => {
  const cases: Array<[claim: string, sent: string]> = [
    ['Alice', 'Alice'],
    ['a b;c,d="e"', 'a b;c,d="e"'],
    ['100%', '100%25'],
    ['%0d%0a', '%250d%250a'],
    ['a\r\nX-Forwarded-User: admin', 'a%0D%0AX-Forwarded-User: admin'],
    ['a\nb', 'a%0Ab'],
    ['a\0b', 'a%00b'],
    ['a\tb', 'a%09b'],
    ['a\x7fb', 'a%7Fb'],
    ['Zoë', 'Zo%C3%AB'],
    ['\xff', '%C3%BF'],
    ['名前', '%E5%90%8D%E5%89%8D'],
    ['👩‍💻', '%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB'],
    ['a\u2028b', 'a%E2%80%A8b'],
    ['\ud800a', 'a'],
    ['a\udc00', 'a'],
    ['\udc00\ud800.', '.']
  ]
  for (const [claim, sent] of cases) t.same(identityHeaders({ 'X-Name': 'name' })({ name: claim })[1], sent, encodeURI(sent))
})

t.test('C3.5, C8.9 property: whatever a claim holds, its field is printable ASCII and decodes to the claim', async () => {
  const write = identityHeaders({ 'X-Name': 'name' })
  fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'grapheme' })), name => {
    const sent = write({ name })[1] ?? ''
    return /^[\x20-\x7e]*$/.test(sent) && decodeURIComponent(sent) === name.replace(/[\ud800-\udfff]/gu, '')
  }), { numRuns: 2000 })
})

t.test('spaces at the ends of a claim survive the wire, where bare ones are dropped (RFC 9110, 5.5)', async t => {
  const [, sent = ''] = identityHeaders({ 'X-Name': 'name' })({ name: ' admin ' })
  t.equal(decodeURIComponent(sent.trim()), ' admin ')
})

t.test('the fields of one user are never another\'s', async t => {
  const write = identityHeaders('standard')
  const [alice, bob] = [{ oid: 'alice' }, { oid: 'bob' }]
  t.same([alice, bob, alice, { oid: 'alice' }, bob].map(user => write(user)[1]), ['alice', 'bob', 'alice', 'alice', 'bob'])
})
