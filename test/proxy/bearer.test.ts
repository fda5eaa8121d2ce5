/** This file tests which Authorization fields hold the token of an API client. */
import t from 'tap'
import { findBearer } from '../../src/proxy/bearer.ts'

t.test('a signed token is found, whatever the case of the scheme and the blanks behind it', async t => {
  for (const field of ['Bearer a.b.c', 'bearer a.b.c', 'BEARER   a.b.c', 'Bearer eyJ-_9.eyJ-_9.AAAA']) {
    t.match(findBearer(field), { kind: 'token', token: field.replace(/^\w+ +/, '') }, field)
  }
})

t.test('other schemes are nobody\'s token', async t => {
  for (const field of [undefined, '', 'Basic a.b.c', 'Negotiate', 'DPoP a.b.c', 'Bearerx a.b.c', 'a.b.c', 'xBearer a.b.c', 'Token Bearer a.b.c']) {
    t.same(findBearer(field), { kind: 'none' }, String(field))
  }
})

t.test('what calls itself a token and is no signed one is malformed', async t => {
  const fields = [
    'Bearer', 'Bearer ', 'Bearer x', 'Bearer a.b', 'Bearer a.b.', 'Bearer a.b.c.d.e', 'Bearer .b.c', 'Bearer a..c', 'Bearer a.b.c=', 'Bearer a.b.c d', 'Bearer a.b.c,x',
    'Bearer "a.b.c"', 'Bearer a.b.\u00e4', 'Bearer a.b.c, Bearer d.e.f', 'Bearer token=a.b.c', `Bearer a.b.${'c'.repeat(20_000)}`
  ]
  for (const field of fields) t.match(findBearer(field), { kind: 'malformed', why: /./ }, field.slice(0, 40))
})
