/** This file checks what a newer ID token changes in a session, and what it does not. */
import t from 'tap'
import { areStale, dueAt, followClaims } from '../../src/session/newer-claims.ts'
import { oid, sessionWorld, tid } from './support.ts'

const own = { iat: 100, tid, oid, sub: 's', iss: 'i', name: 'Alice', roles: ['Admin'], groups: ['g1'], acrs: ['c1'], sid: 'one', dept: 'it', nonce: 'n' }

t.test('CVE-2021-41230 what a newer token says of the user counts, and what it does not say any more is gone', async t => {
  const rows: Array<[what: string, newest: Record<string, unknown>, expected: Record<string, unknown>]> = [
    ['other roles', { roles: ['Reader'] }, { roles: ['Reader'] }],
    ['no roles', {}, { roles: undefined, groups: undefined, dept: undefined }],
    ['more groups than there is room for', { hasgroups: true, _claim_names: { groups: 'src1' } }, { groups: undefined, hasgroups: true, _claim_names: { groups: 'src1' } }],
    ['other claims', { dept: 'hr', wids: ['w'] }, { dept: 'hr', wids: ['w'] }],
    ['another name', { name: 'Alice B.' }, { name: 'Alice B.' }],
    ['no name', {}, { name: 'Alice' }]
  ]
  for (const [what, newest, expected] of rows) {
    const claims = followClaims(own, { iat: 200, tid, oid, sub: 's', iss: 'i', ...newest })
    for (const [name, value] of Object.entries(expected)) t.strictSame(claims[name], value, `${what}: ${name}`)
    t.equal(claims.iat, 200)
  }
})

t.test('C5.22 how and when a session signed in is not another token\'s to say', async t => {
  const newest = { iat: 200, acrs: ['c1', 'c9'], amr: ['mfa'], acr: '1', auth_time: 1, nonce: 'x', sid: 'two', login_hint: 'h', uti: 'u' }
  t.match(followClaims(own, newest), { acrs: ['c1'], sid: 'one', nonce: 'n', amr: undefined, acr: undefined, auth_time: undefined, login_hint: undefined, uti: undefined })
  t.notOk('acrs' in followClaims({ iat: 100 }, newest))
})

t.test('where and on what device another browser signed in is not this session\'s', async t => {
  const names = ['deviceid', 'fwd', 'in_corp', 'ipaddr', 'platf', 'vnet', 'ztdid']
  const newest = { iat: 200, ...Object.fromEntries(names.map(name => [name, 'theirs'])) }
  for (const name of names) {
    t.equal(followClaims({ iat: 100, [name]: 'own' }, newest)[name], 'own', name)
    t.notOk(name in followClaims({ iat: 100 }, newest), `${name}, which it did not have`)
  }
})

t.test('an older token, or one without a time, changes nothing', async t => {
  for (const iat of [99, 100, undefined, '200', NaN, null]) t.equal(followClaims(own, { iat, roles: [] }), own, String(iat))
})

t.test('a name that every object has is a claim like others', async t => {
  const claims = followClaims(own, JSON.parse('{"iat":200,"__proto__":{"roles":["Admin"]}}'))
  t.equal(claims.roles, undefined)
})

t.test('claims are due in time, and stale later; without a time they are both', async t => {
  const minute = 60_000
  t.equal(dueAt({ iat: 1000 }), 1_000_000 + 55 * minute)
  t.notOk(areStale({ iat: 1000 }, 1_000_000 + 95 * minute - 1))
  t.ok(areStale({ iat: 1000 }, 1_000_000 + 95 * minute))
  t.ok(areStale({}, Date.now()))
  t.ok(dueAt({ iat: '9999999999' }) < Date.now())
})

t.test('every reading of a session goes by the newest claims, and no touch of an older copy brings old ones back', async t => {
  const { reader, records, clock, newest, signIn } = sessionWorld(t)
  const iat = Math.floor(clock.now() / 1000)
  const { header, key } = await signIn({ oid, tid, iat, roles: ['Admin'] })
  const old = (await reader.find(header))!
  newest({ iat: iat + 60, roles: [] })
  clock.advance(120)
  reader.touch(old)
  t.same((await records.read(key))!.claims.roles, [])
  t.same((await reader.find(header))!.session.claims.roles, [])
})

t.test('a session in use whose claims are due is told of, and again after five minutes while they stay old', async t => {
  const { reader, clock, due, signIn } = sessionWorld(t)
  const { header } = await signIn({ oid, tid, iat: Math.floor(clock.now() / 1000) })
  const use = async (): Promise<number> => {
    for (let i = 0; i < 3; i++) reader.touch((await reader.find(header))!)
    return due.length
  }
  t.equal(await use(), 0)
  clock.advance(54 * 60)
  t.equal(await use(), 0)
  clock.advance(2 * 60)
  t.equal(await use(), 1, 'once, however many requests there are')
  clock.advance(60)
  t.equal(await use(), 1, 'also with a new copy')
  clock.advance(5 * 60)
  t.equal(await use(), 2)
})
