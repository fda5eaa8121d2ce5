/**
 * This file checks that another letter case never weakens a rule (security.md, T4 and C1.7): for a backend that folds case,
 * `/ADMIN` is `/admin`, and the rule of `/admin` must hold.
 */
import fc from 'fast-check'
import t from 'tap'
import { compileConfig } from '../../src/config/compile.ts'
import { letterCaseRule } from '../../src/proxy/letter-case.ts'
import { mustLoad, withRoutes } from '../config/support.ts'

function ruleOf (...routes: string[]) {
  return letterCaseRule(compileConfig(mustLoad(withRoutes(...routes))).routes)
}

const rule = ruleOf(
  '{ path: /public/*, upstream: app, access: public }',
  '{ path: /admin/*, upstream: app, allow: { roles: [Admin] } }',
  '{ path: /Reports, upstream: app }',
  '{ path: /open/secret/*, upstream: app }',
  '{ path: /open/*, upstream: app, access: optional }',
  '{ path: /*, upstream: app }'
)

t.test('a path in the spelling of its route is routed as it is', async t => {
  for (const path of ['/', '/public/x', '/admin', '/admin/x', '/Reports', '/other', '/open/secret', '/open/Other', '/public/Admin', '/admin/X', '/adm']) {
    t.equal(rule(path), path)
  }
})

t.test('a stricter route in another spelling takes the path, below its literal part unchanged', async t => {
  t.equal(rule('/ADMIN'), '/admin')
  t.equal(rule('/Admin/Users/7'), '/admin/Users/7')
  t.equal(rule('/open/SECRET/x'), '/open/secret/x')
  t.equal(rule('/OPEN/SECRET/x'), '/OPEN/SECRET/x', 'the rule of everything else is as strict')
})

t.test('a weaker route in another spelling does not', async t => {
  for (const path of ['/PUBLIC/x', '/Public', '/OPEN/x', '/Open']) t.equal(rule(path), path, 'what is not public stays with the rule of everything else')
})

t.test('a spelling that begins alike but is another segment is no other spelling', async t => {
  for (const path of ['/ADMINISTRATION', '/Admins/x', '/xADMIN', '/OPEN2/SECRET']) t.equal(rule(path), path)
})

t.test('where two rules with lists meet, neither would do for both, and nothing is routed', async t => {
  const two = ruleOf(
    '{ path: /Admin/*, upstream: app, allow: { roles: [A] } }',
    '{ path: /*, upstream: app, allow: { roles: [B] } }'
  )
  t.equal(two('/admin/x'), undefined)
  t.equal(two('/Admin/x'), '/Admin/x')
  t.equal(two('/other'), '/other')
})

t.test('property: whatever the case, a path of a stricter route is never routed to a weaker one', async () => {
  const cased = fc.tuple(fc.constantFrom('/admin', '/admin/x', '/admin/x/y', '/open/secret', '/open/secret/x'), fc.infiniteStream(fc.boolean()))
    .map(([path, upper]) => [...path].map(letter => upper.next().value === true ? letter.toUpperCase() : letter).join(''))
  fc.assert(fc.property(cased, path => {
    const routed = rule(path)
    if (path.toLowerCase().startsWith('/admin')) return routed?.startsWith('/admin')
    return routed !== undefined && (routed.startsWith('/open/secret') || !/^\/(?:open|public)(?:\/|$)/.test(routed))
  }), { numRuns: 2000 })
})
