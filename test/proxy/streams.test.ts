/** This file checks the list of open streams: how many there may be, and when they are asked to end. */
import t, { type Test } from 'tap'
import { errors } from '../../src/errors.ts'
import type { ApiCaller } from '../../src/identity/holder.ts'
import { createStreams, type OpenStream, type StreamHolder } from '../../src/proxy/streams.ts'
import type { LiveSession } from '../../src/session/reader.ts'
import { account, sessionAt } from '../session/support.ts'
import { eventually } from '../support/signed-in.ts'

const liveAs = (key: string): LiveSession => ({
  kind: 'session', key, account, absoluteEndsAt: 2e12, session: sessionAt(1e12), stamp: 1, claimsStamp: 0, readAt: 1e12, claimsDueAt: Infinity
})

interface Noted extends OpenStream {
  readonly ends: string[]
}

function stream (kind: OpenStream['kind'], holder?: StreamHolder): Noted {
  const ends: string[] = []
  return { kind, holder, cookie: holder?.key, ends, end: why => { ends.push(why) } }
}

function start (t: Test, find: (cookie: string | undefined) => LiveSession | undefined | Promise<LiveSession | undefined> = () => liveAs('a')) {
  const clock = { now: 1e12 }
  const streams = createStreams({ reader: { find }, now: () => clock.now, checkMs: 5 })
  t.teardown(streams.close)
  return { streams, clock }
}

t.test('a session has 20 WebSockets, and any number of answers; one that closes makes room', async t => {
  const { streams } = start(t)
  const live = liveAs('a')
  const releases = Array.from({ length: 20 }, () => streams.add(stream('websocket', live)))
  t.ok(releases.every(release => release !== undefined))
  t.equal(streams.add(stream('websocket', live)), undefined)
  t.ok(streams.add(stream('answer', live)))
  t.ok(streams.add(stream('websocket', liveAs('b'))), 'another session has its own')
  releases[3]!()
  releases[3]!()
  t.ok(streams.add(stream('websocket', liveAs('a'))), 'the same session, read anew')
  t.equal(streams.add(stream('websocket', live)), undefined)
  for (let i = 0; i < 30; i++) t.ok(streams.add(stream('websocket')), 'without a session nobody counts')
})

t.test('a session that is gone ends its streams, and only them', async t => {
  const gone = new Set<string>()
  const { streams } = start(t, async cookie => gone.has(cookie!) ? undefined : liveAs(cookie!))
  const [one, other, nobodys] = [stream('websocket', liveAs('a')), stream('answer', liveAs('b')), stream('websocket')]
  for (const each of [one, other, nobodys]) streams.add(each)
  gone.add('a')
  t.ok(await eventually(() => one.ends.length > 0, 5000))
  t.equal(one.ends[0], 'session-ended')
  t.same([other.ends, nobodys.ends], [[], []])
  streams.endSession('b')
  t.same(other.ends, ['session-ended'])
})

t.test('streams of an API client end with its token, and it has 20 WebSockets too', async t => {
  const { streams, clock } = start(t, () => { throw new Error('there is no session to look for') })
  const caller: ApiCaller = {
    kind: 'caller', key: 'c:x', account, claims: { iss: 'i', sub: 's', ...account }, client: 'c', isApp: false, token: 'x', expiresAt: clock.now + 60_000
  }
  const open = Array.from({ length: 20 }, () => stream('websocket', caller))
  for (const one of open) t.ok(streams.add(one))
  t.equal(streams.add(stream('websocket', caller)), undefined)
  clock.now += 59_999
  await new Promise(resolve => { setTimeout(resolve, 30) })
  t.same(open[0]!.ends, [])
  clock.now += 1
  t.ok(await eventually(() => open.every(({ ends }) => ends.length > 0), 5000))
  t.equal(open[0]!.ends[0], 'session-ended')
})

t.test('a store that is away ends nothing before the session would end by itself', async t => {
  let asked = 0
  const { streams, clock } = start(t, async () => {
    asked++
    throw new errors.SG_STORE_UNAVAILABLE()
  })
  const one = stream('websocket', liveAs('a'))
  streams.add(one)
  t.ok(await eventually(() => asked > 3, 5000))
  t.same(one.ends, [])
  clock.now = liveAs('a').session.idleEndsAt
  t.ok(await eventually(() => one.ends.length > 0, 5000))
})

t.test('WebSockets are asked to go, and no further one may come; answers go on until everything ends', async t => {
  const { streams } = start(t)
  const [socket, nobodys, answer] = [stream('websocket', liveAs('a')), stream('websocket'), stream('answer', liveAs('a'))]
  for (const each of [socket, nobodys, answer]) streams.add(each)
  streams.endWebSockets('restart')
  t.same([socket.ends, nobodys.ends, answer.ends], [['restart'], ['restart'], []])
  t.equal(streams.add(stream('websocket', liveAs('b'))), undefined)
  t.equal(streams.add(stream('websocket')), undefined)
  t.ok(streams.add(stream('answer', liveAs('b'))))
  streams.close()
  t.same(answer.ends, ['shutdown'])
})
