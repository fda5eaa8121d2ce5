/** This file checks how benchmarks count: a wrong ratio would be believed. */
import t from 'tap'
import { chart } from '../../bench/chart.ts'
import { tableOf } from '../../bench/report.ts'
import { isMet, type Row } from '../../bench/result.ts'
import { median, ratioOf, takeTurns } from '../../bench/rounds.ts'

const row = (value: number, bar: Row['bar']): Row => ({ scenario: 'get', what: 'a / b', value, unit: 'x', ...bar === undefined ? {} : { bar } })

t.test('a ratio is the median of the ratios of single rounds', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  // The machine was slow in the second round, for both.
  t.equal(ratioOf([80, 8, 90], [100, 10, 100]), 0.8)
})

t.test('contenders take turns in both orders, and the first round does not count', async t => {
  const order: string[] = []
  const contender = (name: string) => ({ name, measure: async () => { order.push(name); return order.length } })
  const results = await takeTurns([contender('a'), contender('b')], 2)
  t.same(order, ['a', 'b', 'b', 'a', 'a', 'b'])
  t.same(results, { a: [4, 5], b: [3, 6] })
})

t.test('a bar is met from its own value on, and a guard leaves room', async t => {
  t.ok(isMet(row(0.8, { atLeast: 0.8 })))
  t.notOk(isMet(row(0.79, { atLeast: 0.8 })))
  t.ok(isMet(row(0.5, { atLeast: 0.8 }), 0.6))
  t.notOk(isMet(row(0.47, { atLeast: 0.8 }), 0.6))
  t.ok(isMet(row(3, { atMost: 3 })))
  t.notOk(isMet(row(3.1, { atMost: 3 })))
  t.notOk(isMet(row(2, { atLeast: 1, atMost: 1 })))
  t.notOk(isMet(row(NaN, { atLeast: 1 })), 'what could not be measured is not met')
  t.ok(isMet(row(0, undefined)))
})

t.test('the table says which bars are not met, and the chart has a bar for each rate', async t => {
  const figures = [{ scenario: 'get', who: 'signed in', perSecond: 1000 }, { scenario: 'get', who: '<b>', perSecond: 500 }]
  const table = tableOf({ rows: [row(0.5, { atLeast: 0.8, stretch: 0.9 }), row(0.9, { atLeast: 0.8 })], figures })
  t.equal(table.match(/NOT MET/g)?.length, 1)
  const svg = chart(figures)
  t.equal(svg.match(/rx="3"/g)?.length, 2)
  t.notMatch(svg, /<b>/)
})
