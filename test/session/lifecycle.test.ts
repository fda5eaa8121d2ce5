/** This file checks that sessions begin under a new id, end everywhere at once, and that their cookie looks as it must. */
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { errors } from '../../src/errors.ts'
import { createSessionsByUser } from '../../src/session/by-user.ts'
import { cookieForm } from '../../src/session/cookie.ts'
import { createSessionLifecycle } from '../../src/session/lifecycle.ts'
import type { Store } from '../../src/store/store.ts'
import { cookieName, limits, sessionAt, sessionWorld } from './support.ts'

async function world (t: Test, { publicUrl = 'https://gw.example', parts = {} }: { publicUrl?: string, parts?: Partial<Store> } = {}) {
  const sessions = sessionWorld(t, parts)
  const { store, records, ids, reader, keys, clock } = sessions
  const url = new URL(publicUrl)
  const lifecycle = createSessionLifecycle({
    records,
    ids,
    reader,
    cookie: cookieForm(url, 'scopegate', 'lax'),
    byUser: createSessionsByUser(store, keys),
    publicProtocol: url.protocol === 'https:' ? 'https' : 'http',
    now: clock.now
  })
  const app = fastify()
  t.teardown(async () => { await app.close() })
  await app.register(async scope => {
    await lifecycle.register(scope)
    scope.get('/begin', async request => {
      await lifecycle.begin(request, sessionAt(clock.now()))
      return 'begun'
    })
    scope.get('/end', async (request, reply) => reply.send(await lifecycle.end(request, reply) ?? 'nobody'))
    scope.get('/current', async request => lifecycle.current(request)?.key ?? 'nobody')
  })
  async function ask (path: string, cookie?: string) {
    const reply = await app.inject({ url: path, ...(cookie === undefined ? {} : { headers: { cookie } }) })
    const lines = [reply.headers['set-cookie'] ?? []].flat()
    const [pair = ''] = lines.at(-1)?.split(';') ?? []
    return { status: reply.statusCode, body: reply.body, lines, cookie: pair }
  }
  return { ...sessions, ask }
}

t.test('a session begins with a cookie of the promised form, and nothing else sets one', async t => {
  const { ask } = await world(t)
  t.same((await ask('/current')).lines, [])
  const { lines } = await ask('/begin')
  t.equal(lines.length, 1)
  t.match(lines[0], /^__Host-scopegate=k1\.[\w-]{43}\.[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  t.ok(lines[0]!.length < 4096)
  const local = await (await world(t, { publicUrl: 'http://localhost:8080' })).ask('/begin')
  t.match(local.lines, [/^scopegate=k1\.[\w-]{43}\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/])
})

t.test('the reader of the hot path finds the session that was begun', async t => {
  const { ask, reader } = await world(t)
  const { cookie } = await ask('/begin')
  const live = await reader.find(cookie)
  t.equal((await ask('/current', cookie)).body, live?.key)
})

t.test('C4.1 signing in takes a new id whatever the browser had, and the old one is dead at once', async t => {
  const { ask, reader } = await world(t)
  const first = await ask('/begin')
  await reader.find(first.cookie)
  const second = await ask('/begin', first.cookie)
  t.not(second.cookie, first.cookie)
  t.equal(await reader.find(first.cookie), undefined, 'also for the copy in this process')
  t.equal((await ask('/current', first.cookie)).body, 'nobody')
  t.ok(await reader.find(second.cookie))
  const planted = `${cookieName}=k1.${'A'.repeat(43)}.${'A'.repeat(43)}`
  t.not((await ask('/begin', planted)).cookie, planted)
})

t.test('ending a session clears the cookie with the same attributes and leaves nothing', async t => {
  const { ask, reader, store } = await world(t)
  const { cookie } = await ask('/begin')
  const { key } = (await reader.find(cookie))!
  const { lines, body } = await ask('/end', cookie)
  t.match(JSON.parse(body), { key, last: true })
  t.match(lines.at(-1), /^__Host-scopegate=; /)
  for (const attribute of [/; Path=\//, /; HttpOnly/, /; Secure/, /; SameSite=Lax/, /; Expires=Thu, 01 Jan 1970|; Max-Age=0/]) t.match(lines.at(-1), attribute)
  t.equal(await store.get(key), undefined)
  t.equal(await reader.find(cookie), undefined)
  t.equal((await ask('/end', cookie)).body, 'nobody')
})

t.test('a request that comes while a session ends or is replaced does not keep it alive', async t => {
  for (const path of ['/end', '/begin']) {
    const { ask, reader, store } = await world(t)
    const { cookie } = await ask('/begin')
    const remove = store.delete
    store.delete = async key => {
      t.ok(await reader.find(cookie), 'it is still there')
      return await remove(key)
    }
    await ask(path, cookie)
    t.equal(await reader.find(cookie), undefined, path)
  }
})

t.test('only the last of a user\'s sessions is the last', async t => {
  const { ask } = await world(t)
  const [a, b] = [await ask('/begin'), await ask('/begin')]
  t.match(JSON.parse((await ask('/end', a.cookie)).body), { last: false })
  t.match(JSON.parse((await ask('/end', b.cookie)).body), { last: true })
})

t.test('a session that is over is nobody here too', async t => {
  const { ask, clock } = await world(t)
  const { cookie } = await ask('/begin')
  clock.advance(limits.idleMs / 1000 + 1)
  t.equal((await ask('/current', cookie)).body, 'nobody')
})

t.test('what the reader takes for nobody is nobody here, in every spelling', async t => {
  const { ask, reader } = await world(t)
  const { cookie } = await ask('/begin')
  const value = cookie.slice(cookie.indexOf('=') + 1)
  for (const header of [
    `${cookie}; ${cookie}`, `${cookieName}=x; ${cookie}`, `${cookie}; ${cookieName}=x`, `${cookieName}="${value}"`, `${cookieName.toLowerCase()}=${value}`,
    `${cookieName}=${value.replace('.', '%2E')}`, `${cookieName}=${value}x`, `=${cookie}`, `${cookieName} =${value}`
  ]) {
    t.equal(await reader.find(header), undefined, header.slice(0, 30))
    t.equal((await ask('/current', header)).body, 'nobody', header.slice(0, 30))
  }
  t.not((await ask('/current', `a=1;${cookie} ; b=2`)).body, 'nobody')
})

t.test('a store that fails gives no session and no cookie, and is not taken for nobody', async t => {
  const fail = async (): Promise<never> => { throw new errors.SG_STORE_UNAVAILABLE() }
  const { ask, store, reader } = await world(t)
  const { cookie } = await ask('/begin')
  for (const operation of ['set', 'update', 'addMember'] as const) {
    const real = store[operation]
    store[operation] = fail as never
    const refused = await ask('/begin')
    store[operation] = real as never
    t.equal(refused.status, 503, operation)
    t.notMatch(refused.lines.join(), /scopegate=k1/, operation)
    t.equal(await reader.find(refused.cookie), undefined, `nobody is half signed in when ${operation} fails`)
  }
  store.get = fail
  t.equal((await ask('/current', cookie)).status, 503)
  store.delete = fail
  t.equal((await ask('/end', cookie)).status, 503)
})
