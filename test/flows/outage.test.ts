/**
 * This file takes the provider away, and counts what it is asked: while tokens are good, when they have ended, and when it is
 * back. And it lets the provider ask for a pause, of one replica.
 */
import t from 'tap'
import { createClock } from '../identity/support/clock.ts'
import { type Browser } from '../support/browser.ts'
import { startGateway, type TestGateway } from '../support/gateway.ts'
import { apis, startWorld, users } from '../support/replicas.ts'

const minuteMs = 60_000
const [orders, reports] = apis as [typeof apis[number], typeof apis[number]]

/** What the users get who ask for that at once. */
async function askAll (browsers: readonly Browser[], target: string): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  for (const { status, headers } of await Promise.all(browsers.map(async browser => await browser.fetch(target)))) {
    counts[status] = (counts[status] ?? 0) + 1
    if (status === 503) t.match(headers['retry-after'], /^[1-9]\d*$/)
  }
  return counts
}

t.test('C12.9 users whose tokens all end in an outage: nobody is signed out, and afterwards each costs one call, spread over seconds', async t => {
  const clock = createClock(t)
  const world = await startWorld(t, { refreshReuse: 'allow' })
  const { url } = await startGateway(t, { ...world.parts, server: {} })
  const browsers = await Promise.all(users.map(async user => await world.signIn(user, url)))
  const target = `${url}/${orders.name}/x`
  t.same(await askAll(browsers, target), { 200: users.length })
  clock.stop()

  world.entra.admin.fault({ endpoint: 'token', status: 503, body: {}, times: 10_000 })
  for (const minutes of [30, 25, 3]) {
    clock.advance(minutes * minuteMs)
    t.same(await askAll(browsers, target), { 200: users.length }, 'a token that is good is used')
  }
  clock.advance(2 * minuteMs)
  const away = Date.now()
  for (let second = 0; second < 30; second++) {
    t.same(await askAll(browsers, target), { 503: users.length })
    clock.advance(1000)
  }
  const calls = world.tokenCalls().filter(({ at }) => Date.parse(at) >= away).length
  t.ok(calls <= 2 * users.length, `${calls} calls in half a minute`)

  world.entra.admin.clearFaults()
  const before = world.tokenCalls().length
  const perRound: number[] = []
  for (let round = 0, served = 0; served < users.length && round < 60; round++) {
    const asked = world.tokenCalls().length
    const { 200: ok = 0, 503: later = 0 } = await askAll(browsers, target)
    t.equal(ok + later, users.length, 'no redirect and no sign-in')
    perRound.push(world.tokenCalls().length - asked)
    served = ok
    clock.advance(500)
  }
  t.equal(world.tokenCalls().length - before, users.length)
  t.ok(Math.max(...perRound) <= users.length * 0.6, `calls each half a second: ${perRound.join(' ')}`)
})

t.test('C12.3 a pause that the provider asks one replica for is kept by the other, for that user alone', async t => {
  const world = await startWorld(t, { refreshReuse: 'allow' })
  const replicas = [await startGateway(t, world.parts), await startGateway(t, world.parts)] as [TestGateway, TestGateway]
  const [one, two] = replicas.map(({ url }) => url) as [string, string]
  const [first, second] = [await world.signIn(users[0]!, one), await world.signIn(users[1]!, two)]
  world.entra.admin.fault({ endpoint: 'token', status: 429, body: {}, headers: { 'retry-after': '30' }, match: { grant_type: 'refresh_token' } })
  const calls = world.tokenCalls().length
  t.equal((await first.fetch(`${one}/${reports.name}/x`)).status, 503)
  for (const at of [two, one, two]) {
    const told = await first.fetch(`${at}/${reports.name}/x`)
    t.equal(told.status, 503)
    const seconds = Number(told.headers['retry-after'])
    t.ok(seconds > 20 && seconds <= 36, `${seconds} s`)
  }
  t.equal(world.tokenCalls().length - calls, 1)
  t.equal((await first.fetch(`${two}/${orders.name}/x`)).status, 200, 'what the user has goes on')
  t.equal((await second.fetch(`${two}/${reports.name}/x`)).status, 200)
})
