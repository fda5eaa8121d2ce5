/** This file checks the parts of the stores that live by time: breaker, deadline and the log's silence. */
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createBreaker } from '../../src/store/breaker.ts'
import { DeadlineMissed, withDeadline } from '../../src/store/deadline.ts'
import { replyCodeOf } from '../../src/store/redis/reply.ts'
import { createTroubleLog } from '../../src/store/trouble.ts'

t.test('a breaker opens at the fifth failure in a row', async t => {
  const breaker = createBreaker({ failures: 5, pauseMs: 10_000, now: () => 0 })
  for (let i = 0; i < 4; i++) t.equal(breaker.failed(), false)
  breaker.succeeded()
  for (let i = 0; i < 4; i++) breaker.failed()
  t.ok(breaker.isClosed())
  t.ok(breaker.admits())
  t.equal(breaker.failed(), true, 'it says so, once')
  t.equal(breaker.failed(), false)
  t.notOk(breaker.isClosed())
  t.notOk(breaker.admits())
})

t.test('an open breaker lets one call through per pause, and closes when that one succeeds', async t => {
  let at = 0
  const breaker = createBreaker({ failures: 1, pauseMs: 10_000, now: () => at })
  breaker.failed()
  at = 9_999
  t.notOk(breaker.admits())
  at = 10_000
  t.same([breaker.admits(), breaker.admits(), breaker.admits()], [true, false, false])
  t.notOk(breaker.isClosed(), 'before that call has succeeded it is not closed')
  breaker.failed()
  at = 19_999
  t.notOk(breaker.admits(), 'a failed probe opens it anew')
  at = 20_000
  t.ok(breaker.admits())
  breaker.succeeded()
  t.ok(breaker.isClosed())
  breaker.failed()
  breaker.reset()
  t.ok(breaker.admits(), 'a new connection closes it at once')
})

t.test('a deadline passes on what comes in time, and drops what comes late', async t => {
  t.equal(await withDeadline(delay(5, 'answer'), 1000), 'answer')
  await t.rejects(withDeadline(Promise.reject(new Error('no')), 1000), { message: 'no' })
  let fail: (error: Error) => void = () => {}
  const late = new Promise((_resolve, reject) => { fail = reject })
  await t.rejects(withDeadline(late, 5), DeadlineMissed)
  fail(new Error('late'))
  // Time for an error that nobody handles to be seen.
  await delay(10)
})

t.test('that Redis is down is said once a minute, and that it is back only after that', async t => {
  const lines: string[] = []
  let at = 0
  const log = {
    info: (fields: object, text: string) => { lines.push(`info ${text} ${JSON.stringify(fields)}`) },
    warn: (fields: object, text: string) => { lines.push(`warn ${text} ${JSON.stringify(fields)}`) },
    error () {}
  }
  const trouble = createTroubleLog({ log, what: 'Redis', now: () => at, codeOf: replyCodeOf })
  trouble.up()
  t.same(lines, [], 'a start without trouble is no news')
  for (; at < 60_000; at += 500) trouble.down(new Error('LOADING Redis is loading the dataset in memory'))
  t.equal(lines.length, 1)
  t.match(lines[0], /^warn Redis does not answer .*"reply":"LOADING"/)
  trouble.down(new Error('connect ECONNREFUSED 127.0.0.1:1'))
  t.equal(lines.length, 2)
  for (let i = 0; i < 10; i++) {
    trouble.up()
    trouble.down(new Error('again'))
  }
  t.equal(lines.length, 3)
  t.match(lines[2], /^info Redis answers again/)
})

t.test('an error reply is told from a broken connection by its code', async t => {
  t.equal(replyCodeOf(new Error("OOM command not allowed when used memory > 'maxmemory'.")), 'OOM')
  t.equal(replyCodeOf(new Error('READONLY You can\'t write against a read only replica.')), 'READONLY')
  for (const text of ['connect ECONNREFUSED 127.0.0.1:1', 'Socket closed unexpectedly', 'The client is closed', 'read ECONNRESET', '', 'EPIPE']) {
    t.equal(replyCodeOf(new Error(text)), undefined, text)
  }
  t.equal(replyCodeOf('OOM x'), undefined)
})
