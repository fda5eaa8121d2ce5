/** This file signs users out at one replica while another one is renewing their tokens: nothing comes back. */
import t, { type Test } from 'tap'
import { startGateway } from '../support/gateway.ts'
import { type RedisServer, until } from '../support/redis.ts'
import { apis, startWorld, users } from '../support/replicas.ts'

const user = users[0]!

/** Two replicas, and a session whose renewal at the first one takes a while. */
async function startRenewal (t: Test) {
  const world = await startWorld(t, { refreshReuse: 'revoke' })
  const [one, two] = await Promise.all([startGateway(t, world.parts), startGateway(t, world.parts)])
  const browser = await world.signIn(user, one.url, two.url)
  const cookie = browser.cookies(one.url).get('scopegate')!
  for (const { url } of [one, two]) await world.verify((await browser.fetch(`${url}/orders/x`)).body, user, apis[0]!)

  const before = world.entra.requests().at(-1)!.id
  const seen = world.app.seen.length
  world.entra.admin.fault({ endpoint: 'token', match: { grant_type: 'refresh_token' }, delayMs: 4000 })
  let isAnswered = false
  const pending = browser.fetch(`${one.url}/reports/x`).finally(() => { isAnswered = true })
  await until('a renewal under way', () => world.tokenCalls(before).length === 1)
  return { world, one, two, browser, cookie, pending, seen, isAnswered: () => isAnswered }
}

for (const scope of ['', '?scope=all']) {
  t.test(`a sign-out elsewhere during a renewal brings nothing back, /.auth/logout${scope}`, async t => {
    const { world, one, two, browser, cookie, pending, seen, isAnswered } = await startRenewal(t)
    t.equal((await browser.visit(`${two.url}/.auth/logout${scope}`)).status, 303)
    t.notOk(isAnswered(), 'the renewal is still under way')
    t.equal(await recordsOf(world.redis), '', 'and yet nothing is left to renew')

    t.equal((await pending).status, 401)
    t.match((await pending).json(), { code: 'SG_SIGN_IN_REQUIRED' })
    t.equal(world.tokenCalls().at(-1)!.status, 200, 'although the provider gave a token')
    browser.setCookie(one.url, 'scopegate', cookie)
    for (const { url } of [one, two]) for (const { name } of apis) t.equal((await browser.fetch(`${url}/${name}/x`)).status, 401)
    t.equal(world.app.seen.length, seen, 'no application saw the token')
    t.equal(await recordsOf(world.redis), '')
  })
}

t.test('another user at the same time is left alone', async t => {
  const { world, one, two, browser, pending } = await startRenewal(t)
  const other = await world.signIn(users[1]!, two.url, one.url)
  await browser.visit(`${two.url}/.auth/logout?scope=all`)
  for (const { url } of [one, two]) {
    for (const api of apis) await world.verify((await other.fetch(`${url}/${api.name}/x`)).body, users[1]!, api)
  }
  t.equal((await pending).status, 401)
})

/** Names of the records of sessions and accounts. */
async function recordsOf (redis: RedisServer): Promise<string> {
  return (await redis.cli('--scan')).split('\n').filter(key => /:(?:s:|[tu]c:.*\}$)/.test(key)).join('\n')
}
