/** This file checks the pure rules of a session: when it ends, when it is touched, and what a stored record must look like. */
import t from 'tap'
import { sessionOf } from '../../src/session/records.ts'
import { hasEnded, hasOutlivedItself, isDueForTouch, parseSession, remainingMs, startSession, touchedSession } from '../../src/session/session.ts'
import { account, limits, sessionAt } from './support.ts'

const now = 1_800_000_000_000
const minute = 60_000

t.test('a session starts with both ends ahead', async t => {
  const session = startSession(account, { name: 'Alice' }, now, limits)
  const ends = { idleEndsAt: now + limits.idleMs, absoluteEndsAt: now + limits.absoluteMs }
  t.same(session, { account, claims: { name: 'Alice' }, createdAt: now, ...ends })
  t.equal(startSession(account, {}, now, { idleMs: 9000, absoluteMs: 1000 }).idleEndsAt, now + 1000, 'idle never outlives absolute')
})

t.test('a session ends at the first of its two ends, to the millisecond', async t => {
  const session = sessionAt(now)
  t.notOk(hasEnded(session, now))
  t.notOk(hasEnded(session, session.idleEndsAt - 1))
  t.ok(hasEnded(session, session.idleEndsAt))
  t.ok(hasEnded({ ...session, idleEndsAt: session.absoluteEndsAt + 1e9 }, session.absoluteEndsAt), 'a stored idle end beyond the absolute one does not help')
})

t.test('use moves the idle end, at most once a minute and never beyond the absolute end', async t => {
  const session = sessionAt(now)
  t.notOk(isDueForTouch(session, now, limits))
  t.notOk(isDueForTouch(session, now + minute - 1, limits))
  t.ok(isDueForTouch(session, now + minute, limits))
  const touched = touchedSession(session, now + minute, limits)
  t.same(touched, { ...session, idleEndsAt: session.idleEndsAt + minute })
  t.notOk(isDueForTouch(touched, now + minute, limits))
  const nearlyOver = { ...session, idleEndsAt: session.absoluteEndsAt - minute }
  const late = touchedSession(nearlyOver, session.absoluteEndsAt - 2 * minute, limits)
  t.equal(late.idleEndsAt, session.absoluteEndsAt)
  t.notOk(isDueForTouch(late, session.absoluteEndsAt - 1, limits), 'nothing is left to move')
})

t.test('with a short idle time a touch comes soon enough', async t => {
  const short = { idleMs: 30_000, absoluteMs: 28_800_000 }
  const session = startSession(account, {}, now, short)
  t.notOk(isDueForTouch(session, now + 2999, short))
  t.ok(isDueForTouch(session, now + 3000, short))
})

t.test('a clock that was set back, or is behind another replica\'s, never shortens a session by a touch', async t => {
  const session = sessionAt(now)
  t.notOk(isDueForTouch(session, now - minute + 1, limits))
  const behind = now - 10 * minute
  t.ok(isDueForTouch(session, behind, limits), 'the lifetime of the record has to be renewed all the same')
  t.equal(remainingMs(touchedSession(session, behind, limits), behind), limits.idleMs)
})

t.test('a session that the store still has is over by the stored times only when no clock can be that wrong', async t => {
  const session = sessionAt(now)
  t.notOk(hasOutlivedItself(session, session.idleEndsAt + 60 * minute - 1))
  t.ok(hasOutlivedItself(session, session.idleEndsAt + 60 * minute))
  t.ok(hasOutlivedItself({ ...session, idleEndsAt: session.absoluteEndsAt }, session.absoluteEndsAt), 'the absolute end is the absolute end')
})

t.test('a record lives exactly as long as its session', async t => {
  const session = sessionAt(now)
  t.equal(remainingMs(session, now), limits.idleMs)
  t.equal(remainingMs({ ...session, idleEndsAt: session.absoluteEndsAt + 5 }, now), limits.absoluteMs)
  t.equal(remainingMs(session, session.absoluteEndsAt + 1), 0)
})

t.test('a session survives being stored', async t => {
  const session = sessionAt(now, { name: 'Ä', roles: ['a'], nested: { x: null } })
  t.same(sessionOf(JSON.stringify(session)), session)
  const asked = { ...session, askedClaims: '{"access_token":{"acrs":null}}' }
  t.same(sessionOf(JSON.stringify(asked)), asked)
})

t.test('what is not wholly a session is none', async t => {
  const good = JSON.parse(JSON.stringify(sessionAt(now)))
  t.ok(parseSession(good))
  const times = ['createdAt', 'idleEndsAt', 'absoluteEndsAt'].flatMap(name =>
    [undefined, null, '1800000000000', 1.5, 0, -1, Infinity, NaN, 1e300, 2 ** 53, [], {}, true].map(value => ({ ...good, [name]: value })))
  const accounts = [undefined, null, 'x', 7, [], {}, ...['tid', 'oid', 'homeAccountId', 'environment'].flatMap(name =>
    [undefined, null, 7, {}, ['x']].map(value => ({ ...good.account, [name]: value })))].map(value => ({ ...good, account: value }))
  const claims = [undefined, null, 'x', 7, [], true].map(value => ({ ...good, claims: value }))
  const asked = [null, 7, {}, ['x']].map(value => ({ ...good, askedClaims: value }))
  for (const value of [...times, ...accounts, ...claims, ...asked, undefined, null, 7, 'x', [], {}, [good], () => good]) {
    t.equal(parseSession(value), undefined, JSON.stringify(value))
  }
})

t.test('fields that a session does not have are not taken from a record', async t => {
  const parsed = parseSession({ ...JSON.parse(JSON.stringify(sessionAt(now))), isAdmin: true, accessToken: 'eyJ' })
  t.same(Object.keys(parsed!).sort(), ['absoluteEndsAt', 'account', 'claims', 'createdAt', 'idleEndsAt'])
})

t.test('a record that does not parse is none', async t => {
  for (const record of ['', '{', 'null', '7', '"x"', '[]', '{}', '{"user":null}', '{"user":[]}', '{"__proto__":{"user":{}}}', '\0', '{"user":{"account":{}}}']) {
    t.equal(sessionOf(record), undefined, record)
  }
})
