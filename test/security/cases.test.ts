/** This file tests that each security case has a test, that no test claims a case that there is not, and the table of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { casesPage, findClaims, idsClaimed, readCases, renderCases } from '../../scripts/security-cases.ts'

const root = join(import.meta.dirname, '../..')
const cases = readCases(root)
const claims = findClaims(root)
const ids = cases.groups.flatMap(group => Object.keys(group.cases))

t.test('a title claims the ids that it begins with, and no others', async t => {
  const source = "t.test('C5.1, CVE-2026-1 a title', f)\nt.test(`X2 C1.1 another`, f)\nconst table = { 'envoy-39879 a title in a table': [] }\n'what X3 C1.2 are'"
  t.same([...idsClaimed(source)], ['C5.1', 'CVE-2026-1', 'X2', 'C1.1', 'envoy-39879'])
})

t.test('ids are unique, and each has a sentence', async t => {
  t.equal(new Set(ids).size, ids.length)
  for (const group of cases.groups) {
    for (const [id, text] of Object.entries(group.cases)) t.match(text, /^\S[^|]*\.$/, id)
  }
})

t.test('every case has a test, except those that are listed as open or as later', async t => {
  const untested = ids.filter(id => !claims.has(id) && cases.later[id] === undefined)
  t.same(untested, cases.open)
})

t.test('no test claims a case that there is not, or one of a part that is not built', async t => {
  for (const [id, files] of claims) t.ok(ids.includes(id) && cases.later[id] === undefined, `${id} in ${files.join(', ')}`)
  for (const id of Object.keys(cases.later)) t.ok(ids.includes(id), id)
})

t.test('the table is up to date', async t => {
  t.equal(readFileSync(join(root, casesPage), 'utf8'), renderCases(cases, claims), `${casesPage}: npm run generate`)
})
