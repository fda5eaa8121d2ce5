/** This file checks how the groups of a user are asked for: who is asked, how often, and what is kept. */
import t from 'tap'
import { createGroups, graphOf, type GroupsOptions } from '../../src/identity/groups.ts'
import type { TokenHolder } from '../../src/identity/holder.ts'
import type { TokenOutcome } from '../../src/identity/provider.ts'
import { StsError } from '../../src/identity/sts-error.ts'
import { fails } from './support/fails.ts'

const team = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa1'
const other = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa2'
const token: TokenOutcome = { kind: 'token', bearer: 'Bearer for-graph', softAt: 2e12, hardAt: 2e12, source: 'ready' }
const holder = (key: string): TokenHolder => ({ kind: 'session', key, account: { tid: 't', oid: 'o', homeAccountId: 'h', environment: 'e' }, absoluteEndsAt: 2e12 })

function world (more: Partial<GroupsOptions> = {}) {
  const asked: unknown[] = []
  const state = { now: 1e12, answer: async (): Promise<Record<string, unknown>> => ({ value: [team.toUpperCase(), other] }) }
  const groupsOf = createGroups({
    graph: 'https://graph.example/',
    network: {
      async postJson (url, request) {
        asked.push([url, request])
        return await state.answer()
      }
    },
    named: [team],
    acquire: () => token,
    now: () => state.now,
    ...more
  })
  return { groupsOf, asked, state }
}

t.test('each cloud of Microsoft has a Graph of its own, any other instance none', async t => {
  t.equal(graphOf('https://login.microsoftonline.com/'), 'https://graph.microsoft.com')
  t.equal(graphOf('https://login.microsoftonline.us/'), 'https://graph.microsoft.us')
  t.equal(graphOf('https://login.partner.microsoftonline.cn/'), 'https://microsoftgraph.chinacloudapi.cn')
  for (const instance of ['https://localhost:8443/', 'https://login.microsoftonline.com.evil.example/', 'https://constructor/']) t.equal(graphOf(instance), undefined)
})

t.test('Graph is asked with the user\'s token for all kinds of groups; those that rules name are kept', async t => {
  const { groupsOf, asked } = world()
  t.same(await groupsOf(holder('a')), { kind: 'groups', groups: [team] })
  t.same(asked, [['https://graph.example/v1.0/me/getMemberObjects', { bearer: 'Bearer for-graph', body: { securityEnabledOnly: false } }]])
  t.same(groupsOf(holder('a')), { kind: 'groups', groups: [team] }, 'at once')
})

t.test('requests at once ask once, each session for itself', async t => {
  const { groupsOf, asked } = world()
  await Promise.all(Array.from({ length: 20 }, async (_, i) => await groupsOf(holder(i % 2 === 0 ? 'a' : 'b'))))
  t.equal(asked.length, 2)
})

t.test('an answer is believed for ten minutes, and not after a clock was set back', async t => {
  const { groupsOf, state } = world()
  await groupsOf(holder('a'))
  state.now += 600_000 - 1
  t.notOk(groupsOf(holder('a')) instanceof Promise)
  state.now += 1
  t.ok(await groupsOf(holder('a')))
  state.now -= 1000
  t.ok(groupsOf(holder('a')) instanceof Promise)
})

t.test('a failure is no answer, and is told again for ten seconds, or for as long as Graph says', async t => {
  const { groupsOf, asked, state } = world()
  const answers: Array<[answer: () => Promise<Record<string, unknown>>, expected: { code: string, retryAfterMs?: number }]> = [
    [async () => { throw new StsError('sts_unavailable', { status: 503, retryAfterMs: 3000 }) }, { code: 'SG_PROVIDER_UNAVAILABLE', retryAfterMs: 3000 }],
    [async () => { throw new StsError('sts_timeout') }, { code: 'SG_PROVIDER_UNAVAILABLE' }],
    [async () => { throw new StsError('sts_bad_response', { status: 401 }) }, { code: 'SG_PROVIDER_MISCONFIGURED' }],
    [async () => ({ value: null }), { code: 'SG_PROVIDER_UNAVAILABLE' }],
    [async () => ({ value: [team, {}] }), { code: 'SG_PROVIDER_UNAVAILABLE' }],
    [async () => ({ value: [team], '@odata.nextLink': 'x' }), { code: 'SG_PROVIDER_UNAVAILABLE' }]
  ]
  for (const [answer, expected] of answers) {
    state.answer = answer
    const before = asked.length
    await fails(t, groupsOf(holder('a')), expected)
    state.now += (expected.retryAfterMs ?? 10_000) - 1
    await fails(t, groupsOf(holder('a')), { code: expected.code, ...(expected.code === 'SG_PROVIDER_UNAVAILABLE' ? { retryAfterMs: 1 } : {}) })
    t.equal(asked.length, before + 1)
    state.now++
  }
  state.answer = async () => ({ value: [team] })
  t.match(await groupsOf(holder('a')), { groups: [team] })
})

t.test('one user\'s failure is not another\'s, but too many calls are everybody\'s', async t => {
  const { groupsOf, asked, state } = world()
  state.answer = async () => { throw new StsError('sts_timeout') }
  for (const key of ['a', 'b']) await fails(t, groupsOf(holder(key)), { code: 'SG_PROVIDER_UNAVAILABLE' })
  t.equal(asked.length, 2)
  state.now += 10_000
  state.answer = async () => { throw new StsError('sts_throttled', { status: 429, retryAfterMs: 60_000 }) }
  for (const key of ['a', 'b', 'c']) await fails(t, groupsOf(holder(key)), { code: 'SG_PROVIDER_UNAVAILABLE', retryAfterMs: 60_000 })
  t.equal(asked.length, 3)
  state.answer = async () => ({ value: [team] })
  state.now += 60_000
  t.match(await groupsOf(holder('b')), { groups: [team] })
})

t.test('a pause does not outlive a clock that was set back', async t => {
  const { groupsOf, state } = world()
  state.answer = async () => { throw new StsError('sts_throttled', { status: 429, retryAfterMs: 60_000 }) }
  await fails(t, groupsOf(holder('a')), { code: 'SG_PROVIDER_UNAVAILABLE' })
  state.answer = async () => ({ value: [team] })
  state.now -= 3_600_000
  t.match(await groupsOf(holder('a')), { groups: [team] })
})

t.test('a sign-in that is needed for the token is passed on, and not kept', async t => {
  const needed: TokenOutcome = { kind: 'sign-in-needed', reason: 'consent_required', scopes: ['User.Read'], endSession: false }
  const outcomes = [needed, token]
  const { groupsOf, asked } = world({ acquire: async () => outcomes.shift()! })
  t.same(await groupsOf(holder('a')), needed)
  t.equal(asked.length, 0)
  t.match(await groupsOf(holder('a')), { kind: 'groups' })
})

t.test('without a Graph nothing is asked of anybody', async t => {
  const { groupsOf } = world({ graph: undefined, acquire: () => { throw new Error('not asked for') } })
  await t.rejects(Promise.resolve(groupsOf(holder('a'))), { code: 'SG_PROVIDER_MISCONFIGURED' })
})
