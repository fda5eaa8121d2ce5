/** This file joins texts of metrics as several processes write them. */
import t from 'tap'
import { mergeTexts } from '../../src/telemetry/merge.ts'
import { createMetrics, noMetrics } from '../../src/telemetry/metrics.ts'

const family = (name: string, ...samples: string[]): string => [`# HELP ${name} About ${name}.`, `# TYPE ${name} counter`, ...samples].join('\n')

t.test('each family is there once, with the samples of all, and what only one has is kept', async t => {
  const first = `${family('a', 'a{worker="1"} 1')}\n\n${family('b')}\n`
  const second = `${family('b', 'b{worker="2"} 2')}\n\n${family('c', 'c{worker="2"} 3')}\n`
  t.equal(mergeTexts([first, second]), `${family('a', 'a{worker="1"} 1')}\n\n${family('b', 'b{worker="2"} 2')}\n\n${family('c', 'c{worker="2"} 3')}\n`)
})

t.test('a HELP that differs is no second one', async t => {
  const other = '# HELP a Of another version.\n# TYPE a counter\na{worker="2"} 2\n'
  t.equal(mergeTexts([family('a', 'a{worker="1"} 1'), other]), `${family('a', 'a{worker="1"} 1', 'a{worker="2"} 2')}\n`)
})

t.test('what metrics of a process look like stays as it is, whatever is in a label', async t => {
  const metrics = await createMetrics(1)
  metrics.request({ route: '/a\n\n# HELP "x" y\\', method: 'GET', status: 200, seconds: 1 })
  const { body } = await metrics.text()
  t.equal(mergeTexts([body]), body)
})

t.test('a process without metrics adds nothing', async t => {
  const { body } = await noMetrics.text()
  t.equal(mergeTexts([body, `${family('a', 'a 1')}\n`]), `${family('a', 'a 1')}\n`)
  t.equal(mergeTexts([body]), '')
})
