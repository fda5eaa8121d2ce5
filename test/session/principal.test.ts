/** This file checks that a user is written the way App Service Authentication writes one. */
import t from 'tap'
import { clientPrincipal, displayName, principalClaims } from '../../src/session/principal.ts'
import { oid, tid } from './support.ts'

t.test('claims keep their names except those that App Service renames', async t => {
  t.same(principalClaims({ oid, tid, sub: 's', email: 'a@contoso.example', name: 'Alice', ver: '2.0' }), [
    { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: oid },
    { typ: 'http://schemas.microsoft.com/identity/claims/tenantid', val: tid },
    { typ: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier', val: 's' },
    { typ: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress', val: 'a@contoso.example' },
    { typ: 'name', val: 'Alice' },
    { typ: 'ver', val: '2.0' }
  ])
})

t.test('a claim with several values is repeated, and every value is text', async t => {
  t.same(principalClaims({ roles: ['a', 'b'], none: [], n: 7, b: false, o: { x: [1] }, z: null }), [
    { typ: 'roles', val: 'a' }, { typ: 'roles', val: 'b' }, { typ: 'n', val: '7' }, { typ: 'b', val: 'false' },
    { typ: 'o', val: '{"x":[1]}' }, { typ: 'z', val: 'null' }
  ])
})

t.test('claims named as what every object has are claims like others', async t => {
  const claims = JSON.parse('{"__proto__":"p","constructor":"c","toString":"t"}') as Record<string, unknown>
  t.same(principalClaims(claims), [{ typ: '__proto__', val: 'p' }, { typ: 'constructor', val: 'c' }, { typ: 'toString', val: 't' }])
})

t.test('the client principal names the claim types of name and role', async t => {
  t.same(clientPrincipal({ name: 'Alice' }), {
    auth_typ: 'aad',
    claims: [{ typ: 'name', val: 'Alice' }],
    name_typ: 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress',
    role_typ: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role'
  })
})

t.test('a person is shown by user name, else e-mail, else upn, else not at all', async t => {
  t.equal(displayName({ preferred_username: 'a', email: 'b', upn: 'c' }), 'a')
  t.equal(displayName({ email: 'b', upn: 'c' }), 'b')
  t.equal(displayName({ upn: 'c' }), 'c')
  t.equal(displayName({}), '')
  t.equal(displayName({ preferred_username: ['a'] }), '')
})
