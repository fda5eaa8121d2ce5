/** This file checks the rate limit by itself: how many at once, how many after that, whom it takes for one, what it forgets. */
import t from 'tap'
import { createRateLimit, networkOf } from '../../src/auth/rate-limit.ts'

function start ({ perMinute = 30, maxAddresses = 10_000 } = {}) {
  const clock = { at: 1e12 }
  const limit = createRateLimit({ perMinute, maxAddresses, now: () => clock.at })
  function takeMany (address: string, count: number): number {
    return Array.from({ length: count }, () => limit.take(address)).filter(ms => ms === 0).length
  }
  return { limit, clock, takeMany }
}

t.test('a minute\'s number at once, then one at a time, evenly', async t => {
  const { limit, clock, takeMany } = start()
  t.equal(takeMany('192.0.2.1', 40), 30)
  t.equal(limit.take('192.0.2.1'), 2000, 'it says for how long')
  t.equal(limit.take('192.0.2.1'), 2000, 'asking does not make it longer')
  clock.at += 1999
  t.equal(limit.take('192.0.2.1'), 1)
  clock.at += 1
  t.equal(limit.take('192.0.2.1'), 0)
  t.equal(limit.take('192.0.2.1'), 2000)
  clock.at += 60_000
  t.equal(takeMany('192.0.2.1', 40), 30, 'after a quiet minute all of it is there again')
})

t.test('every rate gives its number, whatever a minute divided by it is', async t => {
  for (const perMinute of [1, 7, 13, 60, 300, 999, 10_000]) {
    const { takeMany } = start({ perMinute })
    t.equal(takeMany('192.0.2.1', perMinute + 1), perMinute)
  }
})

t.test('what was refused does not count, and one address does not count for another', async t => {
  const { limit, clock, takeMany } = start()
  takeMany('192.0.2.1', 1000)
  t.equal(limit.take('192.0.2.2'), 0)
  clock.at += 2000
  t.equal(limit.take('192.0.2.1'), 0)
})

t.test('looking how long it takes counts nothing', async t => {
  const { limit, clock, takeMany } = start()
  for (let i = 0; i < 40; i++) t.equal(limit.wait('192.0.2.1'), 0)
  t.equal(takeMany('192.0.2.1', 40), 30)
  t.equal(limit.wait('192.0.2.1'), 2000)
  clock.at += 2000
  t.equal(limit.wait('192.0.2.1'), 0)
  t.equal(limit.take('192.0.2.1'), 0)
})

t.test('what is given back can be taken again, and never more than that', async t => {
  const { limit, takeMany } = start()
  takeMany('192.0.2.1', 30)
  limit.giveBack('192.0.2.1')
  t.equal(takeMany('192.0.2.1', 5), 1)
  for (let i = 0; i < 100; i++) limit.giveBack('192.0.2.3')
  t.equal(takeMany('192.0.2.3', 40), 30)
})

t.test('a clock that is set back locks nobody out for more than a minute', async t => {
  const { clock, takeMany } = start()
  takeMany('192.0.2.1', 30)
  clock.at -= 3_600_000
  t.equal(takeMany('192.0.2.1', 40), 30)
  clock.at += 7_200_000
  t.equal(takeMany('192.0.2.1', 40), 30)
})

t.test('what is remembered is bounded, and the quietest is forgotten first', async t => {
  const { limit, takeMany } = start({ maxAddresses: 100 })
  takeMany('192.0.2.1', 30)
  takeMany('192.0.2.2', 30)
  for (let i = 0; i < 99; i++) {
    limit.take(`198.51.100.${i}`)
    limit.giveBack('192.0.2.2')
    limit.take('192.0.2.2')
  }
  t.not(limit.take('192.0.2.2'), 0, 'one that is busy is still known')
  t.equal(takeMany('192.0.2.1', 40), 30, 'one that was quiet is not')
})

t.test('an IPv6 network of 64 bits is one client', async t => {
  const same = ['2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:0db8:0001:0002:0:0:0:9', '2001:db8:1:2::', '2001:db8:1:2::1%eth0']
  t.strictSame([...new Set(same.map(networkOf))], ['2001:db8:1:2::/64'])
  t.not(networkOf('2001:db8:1:3::1'), networkOf('2001:db8:1:2::1'))
  t.equal(networkOf('::1'), '0:0:0:0::/64')
  t.equal(networkOf('fe80::1'), 'fe80:0:0:0::/64')
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
})
