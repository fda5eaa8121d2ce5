/** This file checks that signing in cannot go round for ever: three finished rounds in a minute, then no more. */
import t from 'tap'
import { createRounds } from '../../src/auth/rounds.ts'
import { cookieJar, sealWorld } from './support.ts'

const orders = { returnUrl: '/orders', scopes: ['api://orders/Orders.Read'] }
const others = [
  { ...orders, returnUrl: '/other' }, { ...orders, scopes: [] }, { ...orders, scopes: ['api://orders/Orders.Write'] }
]

function world () {
  const seals = sealWorld()
  return { ...seals, jar: cookieJar(), rounds: createRounds(seals.sealer, '__Host-scopegate', seals.clock.now) }
}

t.test('the fourth sign-in for the same thing within a minute is a loop', async t => {
  const { jar, rounds, clock } = world()
  for (let i = 0; i < 3; i++) {
    t.equal(await rounds.isLoop(jar.request(), orders), false)
    await rounds.count(jar.request(), jar.reply, orders)
    clock.advance(10)
  }
  t.equal(await rounds.isLoop(jar.request(), orders), true)
  clock.advance(31)
  t.equal(await rounds.isLoop(jar.request(), orders), false, 'a minute after the first')
})

t.test('another page or other scopes are another round; other claims are not: an API may ask for other ones each time', async t => {
  const { jar, rounds } = world()
  for (let i = 0; i < 3; i++) await rounds.count(jar.request(), jar.reply, orders)
  for (const wanted of others) t.equal(await rounds.isLoop(jar.request(), wanted), false)
  t.equal(await rounds.isLoop(jar.request(), { ...orders, scopes: [...orders.scopes] }), true, 'the same written anew is the same')
  const withClaims = { ...orders, claims: '{"id_token":{}}' }
  t.equal(await rounds.isLoop(jar.request(), withClaims), true)
})

t.test('rounds of other pages do not hide a loop', async t => {
  const { jar, rounds } = world()
  for (let i = 0; i < 3; i++) {
    await rounds.count(jar.request(), jar.reply, orders)
    for (const wanted of others.slice(0, 3)) await rounds.count(jar.request(), jar.reply, wanted)
  }
  t.equal(await rounds.isLoop(jar.request(), orders), true)
})

t.test('the count is a sealed cookie that lasts a minute and does not grow', async t => {
  const { jar, rounds, clock } = world()
  for (let i = 0; i < 40; i++) {
    await rounds.count(jar.request(), jar.reply, { ...orders, returnUrl: `/${i}` })
    clock.advance(0.1)
  }
  const { name, value, options } = jar.set.at(-1)!
  t.equal(name, '__Host-scopegate.r')
  t.match(options, { maxAge: 60, sameSite: 'lax' })
  t.ok(name.length + value.length < 2000, `${value.length} bytes`)
  t.notMatch(value.split('.').map(part => Buffer.from(part, 'base64url').toString('latin1')).join(), /orders/i)
})

t.test('a cookie that we did not seal counts nothing', async t => {
  const { jar, rounds, sealer, stranger, clock } = world()
  for (let i = 0; i < 3; i++) await rounds.count(jar.request(), jar.reply, orders)
  const good = jar.cookies.get('__Host-scopegate.r')!
  const forged = [
    '', 'x', good.slice(0, -4), await stranger.seal('sign-in-rounds', [{ of: 'x', at: clock.now() }], 1e6), await sealer.seal('transaction', [], 1e6),
    await sealer.seal('sign-in-rounds', { length: 99 }, 1e6)
  ]
  for (const value of forged) {
    jar.cookies.set('__Host-scopegate.r', value)
    t.equal(await rounds.isLoop(jar.request(), orders), false)
    await rounds.count(jar.request(), jar.reply, orders)
    t.equal(await rounds.isLoop(jar.request(), orders), false)
  }
  jar.cookies.delete('__Host-scopegate.r')
  t.equal(await rounds.isLoop(jar.request(), orders), false)
})
