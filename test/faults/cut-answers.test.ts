/**
 * This file cuts the connection to Redis in the middle of each of the answers that a sign-in or a sign-out waits for. At
 * whichever it happens: it was done, or it was not and the user is told so (security.md, C11.2 and C11.5).
 */
import t from 'tap'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { startRedis, until } from '../support/redis.ts'
import { isAway, startFaultWorld } from './support.ts'

const server = await startRedis(t)
const proxy = await startFaultProxy(t, server.port)
const world = await startFaultWorld(t, { redis: { url: `redis://127.0.0.1:${proxy.port}` } })
const { replicas: [one, two], at } = world

async function cut (afterAnswers: number): Promise<void> {
  await until('both replicas have the store', () => one.isReady() && two.isReady())
  proxy.set({ kind: 'cut', afterBytes: 1, afterAnswers })
}

async function mend (): Promise<void> {
  proxy.set({ kind: 'pass' })
  await until('both replicas have the store back', () => one.isReady() && two.isReady(), 10_000)
}

t.test('C11.2, C11.5 a sign-in whose store breaks off at any answer ends with a session that works everywhere, or with none', async t => {
  const ends = new Set<number>()
  // Until the cut comes after the last answer that a sign-in waits for.
  for (let answers = 0; answers < 10 || (answers < 40 && !ends.has(303)); answers++) {
    await mend()
    const { browser, callback } = await world.arrive()
    await cut(answers)
    const reply = await browser.visit(callback)
    ends.add(reply.status)
    await mend()
    const isIn = browser.cookies(callback).has('scopegate')
    t.equal(isIn, reply.status === 303, `answer ${answers}: a cookie with the redirect, or neither`)
    if (!isIn) t.match(reply, { status: 503, headers: { 'scopegate-error': 'SG_STORE_UNAVAILABLE' } })
    for (const replica of [one, two]) t.equal((await browser.fetch(at(replica, '/x'))).status, isIn ? 200 : 401)
  }
  t.same(ends, new Set([503, 303]), 'both have been seen')
})

t.test('C11.2 a sign-out whose store breaks off at any answer has ended the session, or is refused and can be repeated', async t => {
  const ends = new Set<number>()
  for (let answers = 0; answers < 10 || (answers < 40 && !ends.has(303)); answers++) {
    await mend()
    const browser = await world.signIn()
    t.equal((await browser.fetch(at(two, '/x'))).status, 200)
    const cookie = browser.cookies(at(one, '/')).get('scopegate')!
    await cut(answers)
    let reply = await browser.visit(at(one, '/.auth/logout'))
    ends.add(reply.status)
    await mend()
    browser.setCookie(at(one, '/'), 'scopegate', cookie)
    if (reply.status === 503) {
      t.equal(reply.headers.location, undefined)
      if (answers === 0) isAway(t, reply, 'a sign-out that could not even read the session')
      reply = await browser.visit(at(one, '/.auth/logout'))
    }
    t.equal(reply.status, 303, `answer ${answers}`)
    browser.setCookie(at(one, '/'), 'scopegate', cookie)
    t.equal((await browser.fetch(at(one, '/x'))).status, 401, 'at once where it happened')
    // The message to the other replica may be what was lost: then its copy of the session lives on, and not for long.
    two.clock.advance(31)
    t.equal((await browser.fetch(at(two, '/x'))).status, 401)
  }
  t.same(ends, new Set([503, 303]), 'both have been seen')
})
