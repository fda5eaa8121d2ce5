/** This file asks somebody who is slow, or says nothing at all. */
import t from 'tap'
import { createQuestion } from '../../src/cli/question.ts'

const never = 60_000

t.test('whoever asks while it is open waits for the same answer; then it is put again', async t => {
  let put = 0
  const question = createQuestion<string>(() => { put++ })
  const both = Promise.all([question.ask(never), question.ask(never)])
  question.answer('x')
  t.same(await both, ['x', 'x'])
  t.equal(put, 1)
  const next = question.ask(never)
  t.equal(put, 2)
  question.answer('y')
  t.equal(await next, 'y')
})

t.test('to who does not answer it is put once, and everybody who asks waits no longer than he wants', async t => {
  let put = 0
  const question = createQuestion<string>(() => { put++ })
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => { clearInterval(alive) })
  for (let i = 0; i < 5; i++) t.equal(await question.ask(1), undefined)
  t.equal(put, 1)
  question.answer('late')
  const next = question.ask(never)
  question.answer('in time')
  t.equal(await next, 'in time', 'the late answer is forgotten')
  t.equal(put, 2)
})

t.test('it may be answered while it is being put', async t => {
  const question = createQuestion<string>(() => { question.answer('at once') })
  t.equal(await question.ask(never), 'at once')
})
