/** This file checks access rules: all kinds of a rule, any value of a kind, and closed whenever a claim is not there. */
import t from 'tap'
import { compileConfig } from '../../src/config/compile.ts'
import { type AccessRule, decideAccess } from '../../src/session/access.ts'
import { mustLoad, withRoutes } from '../config/support.ts'
import { account, oid, tid } from './support.ts'

interface Row {
  readonly what: string
  readonly allow?: AccessRule
  readonly deny?: AccessRule
  readonly claims?: Record<string, unknown>
  /** By an access token, of an API client. */
  readonly isCaller?: boolean
  /** As they were looked up. */
  readonly groups?: readonly string[]
  /** The list that refuses; without it the user may pass. */
  readonly by?: string
  /** Nobody can say without the groups. */
  readonly isOpen?: boolean
}

const other = '99999999-9999-4999-8999-999999999999'
const [team, others] = ['aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa1', 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa2'] as const
const overage = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph' } } }

const rows: readonly Row[] = [
  { what: 'no rule at all' },
  { what: 'a role that the user has', allow: { roles: ['Admin'] }, claims: { roles: ['Reader', 'Admin'] } },
  { what: 'one of several roles', allow: { roles: ['Owner', 'Reader'] }, claims: { roles: ['Reader'] } },
  { what: 'a role as a single text', allow: { roles: ['Admin'] }, claims: { roles: 'Admin' } },
  { what: 'another role', allow: { roles: ['Admin'] }, claims: { roles: ['Reader'] }, by: 'allow.roles' },
  { what: 'no roles claim', allow: { roles: ['Admin'] }, by: 'allow.roles' },
  { what: 'an empty roles claim', allow: { roles: ['Admin'] }, claims: { roles: [] }, by: 'allow.roles' },
  { what: 'a role in another case', allow: { roles: ['Admin'] }, claims: { roles: ['admin'] }, by: 'allow.roles' },
  { what: 'a role that only begins alike', allow: { roles: ['Admin'] }, claims: { roles: ['Administrator', 'Adm', 'Admin '] }, by: 'allow.roles' },
  { what: 'roles in one text', allow: { roles: ['Admin'] }, claims: { roles: 'Reader,Admin' }, by: 'allow.roles' },
  { what: 'a role within an object', allow: { roles: ['Admin'] }, claims: { roles: [{ name: 'Admin' }, ['Admin']] }, by: 'allow.roles' },
  { what: 'an object that prints as the role', allow: { roles: ['[object Object]'] }, claims: { roles: [{}] }, by: 'allow.roles' },
  { what: 'a missing claim that prints as undefined', allow: { roles: ['undefined'] }, by: 'allow.roles' },
  { what: 'a null claim that prints as null', allow: { roles: ['null'] }, claims: { roles: null }, by: 'allow.roles' },

  { what: 'a group that the user is in', allow: { groups: ['g1'] }, claims: { groups: ['g0', 'g1'] } },
  { what: 'no groups claim', allow: { groups: ['g1'] }, by: 'allow.groups' },
  { what: 'groups left out by name and source', allow: { groups: [team] }, claims: overage, isOpen: true },
  { what: 'groups left out by hasgroups', allow: { groups: [team] }, claims: { hasgroups: true }, isOpen: true },
  { what: 'groups left out, named by another name than their id', allow: { groups: ['g1'] }, claims: overage, by: 'allow.groups' },
  { what: 'groups left out, one of two named by its id', allow: { groups: ['g1', team] }, claims: overage, isOpen: true },
  { what: 'groups left out, and a role that is missing', allow: { groups: [team], roles: ['Admin'] }, claims: overage, by: 'allow.roles' },
  { what: 'groups that were looked up', allow: { groups: [team] }, claims: overage, groups: [others, team] },
  { what: 'groups that were looked up, of another name', allow: { groups: ['g1'] }, claims: overage, groups: [team], by: 'allow.groups' },
  { what: 'groups that were looked up without the one', allow: { groups: [team] }, claims: overage, groups: [others], by: 'allow.groups' },
  { what: 'no groups at all, looked up', allow: { groups: [team] }, claims: overage, groups: [], by: 'allow.groups' },

  { what: 'the user\'s tenant', allow: { tenants: [other, tid] } },
  { what: 'another tenant', allow: { tenants: [other] }, by: 'allow.tenants' },
  { what: 'a tenant that a claim pretends', allow: { tenants: [other] }, claims: { tid: other }, by: 'allow.tenants' },
  { what: 'the user', allow: { users: [`${tid}/${oid}`] } },
  { what: 'another user of the tenant', allow: { users: [`${tid}/${other}`] }, by: 'allow.users' },
  { what: 'the same object id in another tenant', allow: { users: [`${other}/${oid}`] }, by: 'allow.users' },
  { what: 'an object id that a claim pretends', allow: { users: [`${tid}/${other}`] }, claims: { oid: other }, by: 'allow.users' },

  { what: 'a claim with a listed value', allow: { claims: { dept: ['it', 'hr'] } }, claims: { dept: 'hr' } },
  { what: 'a claim with several values', allow: { claims: { dept: ['it'] } }, claims: { dept: ['hr', 'it'] } },
  { what: 'a claim that is a number', allow: { claims: { level: ['3'] } }, claims: { level: 3 } },
  { what: 'a claim that is a boolean', allow: { claims: { xms_edov: ['true'] } }, claims: { xms_edov: true } },
  { what: 'a claim with another value', allow: { claims: { dept: ['it'] } }, claims: { dept: 'hr' }, by: 'allow.claims.dept' },
  { what: 'a claim that is missing', allow: { claims: { dept: ['it'] } }, by: 'allow.claims.dept' },
  { what: 'several claims of which one does not fit', allow: { claims: { a: ['1'], b: ['1'] } }, claims: { a: '1', b: '2' }, by: 'allow.claims.b' },
  { what: 'claims named as what every object has', allow: { claims: { constructor: ['x'] } }, by: 'allow.claims.constructor' },
  { what: 'toString as a claim name', allow: { claims: { toString: [Object.prototype.toString.toString()] } }, by: 'allow.claims.toString' },
  { what: 'a user who has such a claim', allow: { claims: { constructor: ['x'] } }, claims: { constructor: 'x' } },
  { what: '__proto__ in the user\'s claims', allow: { claims: { dept: ['it'] } }, claims: JSON.parse('{"__proto__":{"dept":"it"}}'), by: 'allow.claims.dept' },

  { what: 'all kinds fit', allow: { roles: ['a'], groups: ['g'], tenants: [tid] }, claims: { roles: ['a'], groups: ['g'] } },
  { what: 'one of the kinds does not fit', allow: { roles: ['a'], groups: ['g'] }, claims: { roles: ['a'] }, by: 'allow.groups' },
  { what: 'two kinds of which neither fits', allow: { roles: ['a'], tenants: [other] }, by: 'allow.roles' },

  { what: 'a denied role', deny: { roles: ['Guest'] }, claims: { roles: ['Guest', 'Admin'] }, by: 'deny' },
  { what: 'a denied role that the user has not', deny: { roles: ['Guest'] }, claims: { roles: ['Admin'] } },
  { what: 'denied and allowed: denied', allow: { roles: ['Admin'] }, deny: { roles: ['Guest'] }, claims: { roles: ['Guest', 'Admin'] }, by: 'deny' },
  { what: 'denied kinds of which one fits', deny: { roles: ['Guest'], tenants: [other] }, claims: { roles: ['Guest'] } },
  { what: 'denied kinds that all fit', deny: { roles: ['Guest'], tenants: [tid] }, claims: { roles: ['Guest'] }, by: 'deny' },
  { what: 'a denied group', deny: { groups: ['g1'] }, claims: { groups: ['g1'] }, by: 'deny' },
  { what: 'a denied group and no groups claim', deny: { groups: ['g1'] } },
  { what: 'a denied group and groups left out', deny: { groups: [team] }, claims: overage, isOpen: true },
  { what: 'a denied group and hasgroups', deny: { groups: [team] }, claims: { hasgroups: true }, isOpen: true },
  { what: 'a denied group of another name than its id, and groups left out', deny: { groups: ['g1'] }, claims: overage, by: 'deny' },
  { what: 'that beside an id', deny: { groups: ['g1', team] }, claims: overage, by: 'deny' },
  { what: 'that, with groups looked up', deny: { groups: ['g1', team] }, claims: overage, groups: [], by: 'deny' },
  { what: 'a denied group that was looked up', deny: { groups: [team] }, claims: overage, groups: [team], by: 'deny' },
  { what: 'a denied group that was looked up and not found', deny: { groups: [team] }, claims: overage, groups: [others] },
  { what: 'a denied group, groups left out, not allowed anyway', deny: { groups: [team] }, allow: { roles: ['a'] }, claims: overage, by: 'allow.roles' },
  { what: 'a denied group, groups left out, allowed otherwise', deny: { groups: [team] }, allow: { tenants: [tid] }, claims: overage, isOpen: true },
  { what: 'allowed by one and denied by another', deny: { groups: [others] }, allow: { groups: [team] }, claims: overage, groups: [team, others], by: 'deny' },
  { what: 'a denied group, groups left out, another kind that does not fit', deny: { groups: [team], tenants: [other] }, claims: overage },
  { what: 'a denied role and groups left out', deny: { roles: ['Guest'] }, claims: overage },
  { what: 'other claims left out', deny: { groups: ['g1'] }, claims: { _claim_names: { roles: 'src1' } } },
  { what: '_claim_names that is no object', deny: { groups: ['g1'] }, claims: { _claim_names: 'groups' } },
  { what: 'a denied user', deny: { users: [`${tid}/${oid}`] }, by: 'deny' },

  { what: 'a denied claim that the user has not', deny: { claims: { dept: ['it'] } } },
  { what: 'a denied claim of an API client', deny: { claims: { dept: ['it'] } }, claims: { dept: 'it' }, isCaller: true, by: 'deny' },
  { what: 'a denied claim with another value of an API client', deny: { claims: { dept: ['it'] } }, claims: { dept: 'hr' }, isCaller: true },
  { what: 'a denied claim that an API client\'s token has not', deny: { claims: { dept: ['it'] } }, isCaller: true, by: 'deny' },
  { what: 'that beside a kind that does not fit', deny: { claims: { dept: ['it'] }, tenants: [other] }, isCaller: true },
  { what: 'an allowed claim that an API client\'s token has not', allow: { claims: { dept: ['it'] } }, isCaller: true, by: 'allow.claims.dept' },
  { what: 'a denied group and an API client without groups', deny: { groups: [team] }, isCaller: true, isOpen: true },
  { what: 'that, with groups looked up', deny: { groups: [team] }, isCaller: true, groups: [others] },
  { what: 'that, with the group looked up', deny: { groups: [team] }, isCaller: true, groups: [team], by: 'deny' },
  { what: 'a denied group of another name than its id and an API client without groups', deny: { groups: ['g1'] }, isCaller: true, by: 'deny' },
  { what: 'a denied group and an API client with others', deny: { groups: [team] }, claims: { groups: [others] }, isCaller: true },
  { what: 'an allowed group and an API client without groups', allow: { groups: [team] }, isCaller: true, by: 'allow.groups' },
  { what: 'a denied role and an API client without roles', deny: { roles: ['Guest'] }, isCaller: true }
]

t.test('each rule decides as the table says', async t => {
  for (const { what, allow, deny, claims = {}, groups, by, isOpen = false, isCaller = false } of rows) {
    const expected = by !== undefined ? { kind: 'refused', by } : { kind: isOpen ? 'groups-needed' : 'allowed' }
    t.same(decideAccess({ allow, deny }, { kind: isCaller ? 'caller' : undefined, account, claims, groups }), expected, what)
  }
})

t.test('a GUID means the same in capitals, in a rule and in a token: no denied user slips through by spelling', async t => {
  const user = { tid: 'abcdefab-1111-4111-8111-111111111111', oid: 'abcdefab-9999-4999-8999-999999999999' }
  const written = { tid: user.tid.toUpperCase(), oid: user.oid.toUpperCase() }
  const rules = [`users: [${written.tid}/${written.oid}]`, `tenants: [${written.tid}]`]
  for (const rule of rules) {
    for (const list of ['allow', 'deny'] as const) {
      const [route] = compileConfig(mustLoad(withRoutes(`{ path: /*, upstream: app, ${list}: { ${rule} } }`))).routes
      const { kind } = decideAccess(route!, { account: { ...account, ...user }, claims: {} })
      t.equal(kind, list === 'allow' ? 'allowed' : 'refused', `${list} ${rule}`)
    }
  }
})
